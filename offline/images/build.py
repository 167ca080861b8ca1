"""Builds the container images from Debian packages; what exists under its pin is not built again.

`python3 -m offline.images.build` builds what is missing; with `--check` it only looks and exits 1 if
something is. Standard library and docker command line alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from offline.machine import ROOT, cache_folder

SUITE = "trixie"
PYTHON = "3.13"  # of the suite
LAYERS = ("postgres", "redis", "nginx", "web-next")
PARALLEL_BUILDS = 2

Progress = Callable[[str], None]
Files = Mapping[str, Path]
"""A build context: path in the context → file on disk."""


class ImageError(Exception):
    """An image cannot be built. One line, fit for a person."""


def tags(root: Path = ROOT) -> dict[str, str]:
    """Returns each image's name and tag; a tag changes with any file that goes into the image. Pure."""
    pins = {"base": _pin([SUITE, platform.machine()], _files(root / "offline" / "images" / "base"))}
    for name in LAYERS:
        pins[name] = _pin([pins["base"]], context(name, root))
    return {name: f"web-next-cutover/{name}:{pin}" for name, pin in pins.items()}


def emulator_prefix(root: Path = ROOT) -> str:
    """Returns the prefix under which the emulator finds its databases, apart from the official names."""
    return f"web-next-cutover/{_pin([tags(root)[name] for name in ('postgres', 'redis')], {})}"


def ids(root: Path = ROOT) -> dict[str, str]:
    """Returns the image id (sha256:…) of every image that exists, in one question to Docker."""
    known = tags(root)
    aliases = _aliases(root)
    found = _inspect([*known.values(), *aliases.values()])
    return {
        name: found[tag]
        for name, tag in known.items()
        if tag in found and (name not in aliases or found.get(aliases[name]) == found[tag])
    }


def build_all(progress: Progress = lambda _: None, root: Path = ROOT) -> dict[str, str]:
    """Builds what is missing and returns name → image id; `progress` gets one line for each image built.

    Safe to run in several clones at once and to run again after an interruption. Raises ImageError.
    """
    existing = ids(root)
    if len(existing) == len(LAYERS) + 1:
        return existing
    with _locked(cache_folder() / "images.lock", progress):
        existing = ids(root)
        known = tags(root)
        if "base" not in existing:
            with _timed("base", progress):
                _import_base(known["base"])
        missing = [name for name in LAYERS if name not in existing]

        def build(name: str) -> None:
            with _timed(name, progress):
                _build_layer(name, known[name], known["base"], root)
                if alias := _aliases(root).get(name):
                    _run("docker", "tag", known[name], alias)

        with ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
            for outcome in [pool.submit(build, name) for name in missing]:
                outcome.result()
    return ids(root)


def context(name: str, root: Path = ROOT) -> dict[str, Path]:
    """Returns the files that an image is made of; the downloaded wheels of web-next come on top."""
    files = _files(root / "offline" / "images" / name)
    if name == "web-next":
        files |= {f"webnext/{path}": file for path, file in _files(root / "webnext").items()}
    return files


def _files(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }


def _pin(texts: Iterable[str], files: Files) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    for name, path in files.items():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{os.access(path, os.X_OK)}\0{content}\0".encode())
    return digest.hexdigest()[:12]


def _aliases(root: Path) -> dict[str, str]:
    """What the emulator asks for when it starts a Postgres 17 and a Redis 7."""
    prefix = emulator_prefix(root)
    return {"postgres": f"{prefix}/postgres:17-alpine", "redis": f"{prefix}/redis:7-alpine"}


def _import_base(tag: str) -> None:
    """Imports the base from its tarball in the cache, which debootstrap fills first if it is missing."""
    tarball = cache_folder() / f"base-{tag.rpartition(':')[2]}.tar.gz"
    if not tarball.exists():
        _debootstrap(tarball)
    _run("docker", "import", "--change", 'CMD ["bash"]', str(tarball), tag)


def _debootstrap(tarball: Path) -> None:
    if os.geteuid() != 0:
        raise ImageError(
            f"this user is not root (uid {os.geteuid()}) and debootstrap must be; "
            "run `sudo --preserve-env=HOME,XDG_CACHE_HOME python3 -m offline.images.build` once"
        )
    folder = tarball.with_name("base.new")
    draft = tarball.with_name("base.new.tar.gz")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        # In a mount namespace of its own, so that a killed debootstrap leaves nothing mounted.
        _run("unshare", "--mount", "debootstrap", "--variant=minbase", SUITE, str(folder))
        _run(str(ROOT / "offline" / "images" / "base" / "customize"), str(folder))
        _run("tar", "--create", "--use-compress-program=gzip -1", f"--file={draft}", f"--directory={folder}", ".")
        draft.replace(tarball)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build_layer(name: str, tag: str, base: str, root: Path) -> None:
    files = context(name, root)
    if name == "web-next":
        wheels = _wheels(root / "webnext" / "requirements.txt")
        files |= {f"wheels/{path}": file for path, file in _files(wheels).items() if path.endswith(".whl")}
    _run(
        "docker", "build", "--force-rm", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, "-",
        given=_archive(files),
    )  # fmt: skip


def _archive(files: Files) -> bytes:
    """Returns the context as a tar in which nothing but names, modes and contents varies."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, path in files.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _wheels(requirements: Path) -> Path:
    """Returns the cache's folder with the wheels for the image's Python, downloaded by the host's pip.

    The host may reach its registry through an authority that a container does not know.
    """
    machine = platform.machine()
    folder = cache_folder() / f"wheels-{_pin([PYTHON, machine], {'requirements.txt': requirements})}"
    if folder.exists():
        return folder
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    platforms = (f"{policy}_{machine}" for policy in ("manylinux_2_28", "manylinux2014", "manylinux_2_17"))
    _run(
        *_pip(), "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
        "--python-version", PYTHON, "--implementation", "cp",
        *(argument for name in platforms for argument in ("--platform", name)),
        "--dest", str(draft), "--requirement", str(requirements),
    )  # fmt: skip
    draft.rename(folder)
    return folder


def _pip() -> tuple[str, ...]:
    own = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    return (sys.executable if own.returncode == 0 else str(ROOT / ".venv" / "bin" / "python"), "-m", "pip")


def _inspect(names: Iterable[str]) -> dict[str, str]:
    template = '{{.Id}}{{range .RepoTags}} {{.}}{{end}}'
    asked = _docker("image", "inspect", "--format", template, *names)
    if asked.returncode != 0 and "No such image" not in asked.stderr:
        raise ImageError(f"Docker does not answer ({_last_line(asked.stderr)}); start it, then run this again")
    found = {}
    for line in asked.stdout.splitlines():
        image, *its_tags = line.split()
        found.update(dict.fromkeys(its_tags, image))
    return found


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "there is no docker command")


def _run(*command: str, given: bytes | None = None) -> None:
    """Runs a command; its whole output goes to standard error if it fails, its last line into the error."""
    # The legacy builder is in every engine; the client's choice depends on its plugins.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    except FileNotFoundError as error:
        raise ImageError(f"{error.filename} is not on PATH; `make up` installs it: run that") from None
    if done.returncode != 0:
        text = done.stdout.decode(errors="replace")
        sys.stderr.write(text)
        shown = " ".join(command)
        raise ImageError(
            f"`{shown[:70]}` exited with {done.returncode}: {_last_line(text)}; repair what it names, run again"
        )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1].strip()


@contextmanager
def _timed(name: str, progress: Progress) -> Iterator[None]:
    started = time.monotonic()
    yield
    progress(f"{name} built in {time.monotonic() - started:.1f} s")


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another clone's images")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Builds or, with `--check`, looks; the last line printed says what there is. Returns the exit code."""
    try:
        found = ids() if "--check" in arguments else build_all(lambda line: print(line, flush=True))
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    missing = [name for name in tags() if name not in found]
    print(f"not built: {', '.join(missing)}" if missing else f"{len(found)} images: {', '.join(found)}")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
