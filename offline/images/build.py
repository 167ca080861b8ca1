"""Builds the container images; an image's tag is a pin of all that goes into it."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from offline import pip
from offline.files import is_whole
from offline.machine import ROOT, cache_folder
from offline.output import last_line

REPOSITORY = "web-next-cutover"
NAMES = ("base", "postgres", "redis", "nginx", "prometheus", "mtail", "web-next", "double")
OF_DOUBLE = ("double/", "contract/", "processes/executor.py", "requirements.txt")
"""What of webnext/ is the executor's double and what it says and takes. Its image is the first of web-next with these
files, and stays while they do: it is no part of a release."""
PARALLEL = 2
PYTHON = "3.13"  # Debian trixie's, for which web-next's wheels are chosen
PLATFORMS = ("manylinux_2_28", "manylinux2014", "manylinux_2_17")

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Takes progress and shows it to nobody."""


class ImageError(Exception):
    """An image cannot be built. One line, fit for a person."""


@dataclass(frozen=True)
class Images:
    """The images of one source tree: what each is made of, its tag, and how it is built.

    `cache` keeps the base as an archive and web-next's wheels, by their pins, so that an emptied Docker
    engine is filled again without the network.
    """

    root: Path = ROOT
    cache: Path = field(default_factory=cache_folder)

    def sources(self, name: str) -> dict[str, Path]:
        """Returns what the build of an image sees: path in the context → file; wheels come on top."""
        files = _files(self.root / "offline" / "images" / ("web-next" if name == "double" else name))
        if name in ("web-next", "double"):
            parts = OF_DOUBLE if name == "double" else ""
            service = _files(self.root / "webnext").items()
            files |= {f"webnext/{path}": file for path, file in service if _runs(path) and path.startswith(parts)}
            files |= {} if parts else {"webnext/rds.pem": self.root / "cutover" / "schema" / "rds.pem"}
        return files

    def pin(self, name: str) -> str:
        """Returns 12 hex digits that change with any file of the image or of the base it stands on."""
        digest = hashlib.sha256(b"" if name == "base" else self.pin("base").encode())
        for path, file in sorted(self.sources(name).items()):
            digest.update(f"{path}\0{_mode(file):o}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()[:12]

    def tag(self, name: str) -> str:
        """Returns the image's name and pin."""
        return f"{REPOSITORY}/{name}:{self.pin(name)}"

    @property
    def emulator_prefix(self) -> str:
        """What MiniStack puts before `postgres:17-alpine` and `redis:7-alpine`, so that it finds these images."""
        pins = self.pin("postgres") + self.pin("redis")
        return f"{REPOSITORY}/{hashlib.sha256(pins.encode()).hexdigest()[:12]}"

    def aliases(self, name: str) -> list[str]:
        """Returns the further names under which the emulator looks for an image."""
        versions = {"postgres": "postgres:17-alpine", "redis": "redis:7-alpine"}
        return [f"{self.emulator_prefix}/{versions[name]}"] if name in versions else []

    def present(self, names: Sequence[str] = NAMES) -> dict[str, str]:
        """Returns name → image id of the images that are built, all names in place; one call to Docker."""
        wanted = {name: [self.tag(name), *self.aliases(name)] for name in names}
        tags = [tag for group in wanted.values() for tag in group]
        asked = _docker("image", "inspect", "--format", "{{.Id}} {{json .RepoTags}}", *tags)
        if "No such image" not in asked.stderr and asked.returncode != 0:
            raise ImageError(f"Docker does not answer: {last_line(asked.stderr)}; start it (`make doctor`)")
        found: dict[str, str] = {}
        for line in filter(None, asked.stdout.splitlines()):
            identity, _, listed = line.partition(" ")
            found |= dict.fromkeys(json.loads(listed), identity)
        identities = {name: {found.get(tag) for tag in group} for name, group in wanted.items()}
        return {name: one for name, (one, *others) in identities.items() if one and not others}

    def build(self, names: Sequence[str] = NAMES, progress: Progress = silent) -> dict[str, str]:
        """Builds what is missing and returns name → image id. ImageError if one cannot be built.

        One builder at a time on this machine: what another clone has built in the meantime is used.
        """
        found = self.present(names)
        if found.keys() >= set(names):
            return found
        with self._lock(progress):
            missing = {*names, "base", *(["web-next"] if "double" in names else [])} - self.present().keys()
            if "base" in missing:
                self._build("base", progress)
            with ThreadPoolExecutor(PARALLEL) as pool:
                layers = [name for name in NAMES[1:-1] if name in missing]
                list(pool.map(lambda name: self._build(name, progress), layers))
            if "double" in missing:
                _run("docker", "tag", self.tag("web-next"), self.tag("double"))
        return self.present(names)

    def _build(self, name: str, progress: Progress) -> None:
        progress(name)
        if name == "base":
            _run("docker", "import", "--change", 'CMD ["sh"]', str(self._base()), self.tag(name))
            return
        extra = _files(self._wheels(), "wheels/") if name == "web-next" else {}
        proxies = [f"--build-arg={key}" for key in os.environ if key.lower() in ("http_proxy", "https_proxy")]
        _run(
            *("docker", "build", "--force-rm", "--tag", self.tag(name), *proxies),
            *(f"--build-arg=BASE={self.tag('base')}", "-"),
            stdin=archive({**self.sources(name), **extra}),
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
        )
        for alias in self.aliases(name):
            _run("docker", "tag", self.tag(name), alias)

    def _base(self) -> Path:
        made = self.cache / f"base-{self.pin('base')}-{platform.machine()}.tar.gz"
        if not is_whole(made):
            if os.geteuid() != 0:
                raise ImageError("debootstrap makes the base image and needs root: run `make up` once as root")
            _run("sh", str(self.root / "offline" / "images" / "base" / "build.sh"), str(made))
        return made

    def _wheels(self) -> Path:
        requirements = self.root / "webnext" / "requirements.txt"
        machine = platform.machine()
        pin = hashlib.sha256(requirements.read_bytes() + f"{machine}{PYTHON}".encode()).hexdigest()[:12]
        made = self.cache / f"wheels-{pin}"
        if not all(map(is_whole, made.glob("*.whl"))) or not made.exists():
            draft = made.with_suffix(".draft")
            for left in (draft, made):
                shutil.rmtree(left, ignore_errors=True)
            _run(
                *(sys.executable, "-m", "pip", "download", *pip.OPTIONS),
                *(f"--python-version={PYTHON}", *(f"--platform={tag}_{machine}" for tag in PLATFORMS)),
                *("--dest", str(draft), "--requirement", str(requirements)),
                words=pip.last_words,
            )
            os.sync()  # else the name may outlive a killed machine, and what was downloaded not
            draft.rename(made)
        return made

    @contextmanager
    def _lock(self, progress: Progress) -> Iterator[None]:
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "images.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("waiting for another clone")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def build_all(progress: Progress = silent) -> dict[str, str]:
    """Builds the images that are missing and returns name → image id."""
    return Images().build(progress=progress)


def archive(files: Mapping[str, Path]) -> bytes:
    """Returns a build context: the same files give the same bytes, whoever owns them and whenever."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            content = file.read_bytes()
            entry.size, entry.mode = len(content), _mode(file)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _files(folder: Path, prefix: str = "") -> dict[str, Path]:
    return {
        f"{prefix}{file.relative_to(folder).as_posix()}": file
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }


def _runs(path: str) -> bool:
    """Whether a file of the service is run: not what explains it, nor the entrypoint of other images."""
    return not path.startswith("entrypoint/") and not path.endswith(".md")


def _mode(file: Path) -> int:
    return 0o755 if file.stat().st_mode & 0o100 else 0o644


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError("there is no docker command; `make up` installs it") from None


def _run(
    *command: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, words: Callable[[str], str] = last_line
) -> None:
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=env)
    if done.returncode != 0:
        said = words(done.stdout.decode(errors="replace"))
        what = " ".join([word for word in command if word != "-m" and not word.startswith("/")][:2])
        raise ImageError(f"`{what}` ended with {done.returncode}: {said}; repair what it names and run again")


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the images named, all by default; `--check` only looks and exits 1 if one is missing."""
    parser = argparse.ArgumentParser(prog="python -m offline.images.build", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--check", action="store_true", help="look, build nothing")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.names) - set(NAMES)):
        parser.error(f"unknown image {', '.join(unknown)}; there are {', '.join(NAMES)}")
    names = [name for name in NAMES if not chosen.names or name in chosen.names]
    images = Images()
    try:
        if chosen.check:
            missing = [name for name in names if name not in images.present(names)]
            print(f"missing: {' '.join(missing)}" if missing else f"{len(names)} built: {' '.join(names)}")
            return 1 if missing else 0
        for name, identity in images.build(names, lambda text: print(text, flush=True)).items():
            print(f"{name:<9} {images.tag(name)} {identity}")
    except ImageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
