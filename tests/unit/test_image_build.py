from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from offline.images import build
from offline.images.build import NAMES, ImageError, Images, archive
from offline.machine import ROOT

Docker = Callable[[dict[str, str]], list[tuple[str, ...]]]


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A small source tree of its own."""
    for name in NAMES:
        folder = tmp_path / "offline" / "images" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"FROM {name}\n")
    (tmp_path / "webnext").mkdir()
    (tmp_path / "webnext" / "app.py").write_text("app\n")
    (tmp_path / "webnext" / "requirements.txt").write_text("left-pad==1.0\n")
    (tmp_path / "cutover" / "schema").mkdir(parents=True)
    (tmp_path / "cutover" / "schema" / "rds.pem").write_text("authorities\n")
    return Images(tmp_path, tmp_path / "cache")


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Sets which tags exist (tag → id) and returns the calls that were made."""
    calls: list[tuple[str, ...]] = []

    def have(tags: dict[str, str]) -> list[tuple[str, ...]]:
        def answer(*arguments: str) -> subprocess.CompletedProcess[str]:
            calls.append(arguments)
            asked = [tag for tag in arguments if tag in tags]
            lines = "\n".join(f"{tags[tag]} {json.dumps([tag])}" for tag in asked)
            missing = [tag for tag in arguments[4:] if tag not in tags]
            error = "".join(f"Error: No such image: {tag}\n" for tag in missing)
            return subprocess.CompletedProcess(arguments, 1 if missing else 0, f"\n{lines}\n", error)

        monkeypatch.setattr(build, "_docker", answer)
        return calls

    return have


def everything(images: Images) -> dict[str, str]:
    return {tag: f"sha256:{name}" for name in NAMES for tag in [images.tag(name), *images.aliases(name)]}


def pins(images: Images) -> dict[str, str]:
    return {name: images.pin(name) for name in NAMES}


def changed(before: dict[str, str], images: Images) -> set[str]:
    return {name for name, pin in pins(images).items() if pin != before[name]}


def test_a_changed_file_changes_the_pin_of_its_image_alone(images: Images) -> None:
    before = pins(images)
    (images.root / "offline/images/nginx/Dockerfile").write_text("FROM else\n")
    assert changed(before, images) == {"nginx"}


def test_a_changed_base_changes_every_pin(images: Images) -> None:
    before = pins(images)
    (images.root / "offline/images/base/Dockerfile").write_text("FROM else\n")
    assert changed(before, images) == set(NAMES)


def test_the_service_is_part_of_the_web_next_image(images: Images) -> None:
    before = pins(images)
    (images.root / "webnext/app.py").write_text("changed\n")
    assert changed(before, images) == {"web-next"}


def test_the_doubles_image_is_the_first_of_the_service_with_the_doubles_own_files_and_stays_while_they_do(
    images: Images, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(build, "_run", lambda *command, **_: ran.append(command))
    monkeypatch.setattr(Images, "_wheels", lambda images: images.root / "none")
    docker(everything(images))
    before = pins(images)
    for path, also in (("app.py", set[str]()), ("double/app.py", {"double"}), ("contract/audit.py", {"double"})):
        file = images.root / "webnext" / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("changed\n")
        assert changed(before, images) == {"web-next"} | also

        ran.clear()
        images.build()
        made = [command[:2] for command in ran]
        assert made == [("docker", "build"), *([("docker", "tag")] if also else [])]
        assert not also or ran[-1][2:] == (images.tag("web-next"), images.tag("double"))
        docker(everything(images))
        before = pins(images)


def test_what_the_service_does_not_run_is_no_part_of_its_image_and_what_its_pages_are_made_of_is(
    images: Images,
) -> None:
    before = images.sources("web-next")
    for name in ("entrypoint/main.go", "entrypoint/README.md", "dashboard/README.md", "dashboard/page.css"):
        (images.root / "webnext" / name).parent.mkdir(exist_ok=True)
        (images.root / "webnext" / name).write_text("new\n")

    assert images.sources("web-next").keys() - before.keys() == {"webnext/dashboard/page.css"}


def test_a_renamed_or_executable_file_changes_the_pin(images: Images) -> None:
    before = images.pin("redis")
    file = images.root / "offline/images/redis/Dockerfile"
    file.chmod(0o755)
    executable = images.pin("redis")
    file.rename(file.with_name("Else"))
    assert len({before, executable, images.pin("redis")}) == 3


def test_compiled_python_and_owners_do_not_change_the_pin(images: Images) -> None:
    before = pins(images)
    (images.root / "webnext/__pycache__").mkdir()
    (images.root / "webnext/__pycache__/app.cpython-313.pyc").write_bytes(b"x")
    os.utime(images.root / "webnext/app.py", (1, 1))
    (images.root / "webnext/app.py").chmod(0o600)
    assert changed(before, images) == set()


def test_the_emulator_finds_its_databases_under_names_that_are_not_the_official_ones(images: Images) -> None:
    assert images.aliases("postgres") == [f"{images.emulator_prefix}/postgres:17-alpine"]
    assert images.aliases("redis") == [f"{images.emulator_prefix}/redis:7-alpine"]
    assert images.emulator_prefix.startswith("web-next-cutover/")
    before = images.emulator_prefix
    (images.root / "offline/images/postgres/Dockerfile").write_text("FROM else\n")
    assert images.emulator_prefix != before


def test_a_context_has_the_same_bytes_whoever_owns_the_files(images: Images) -> None:
    before = archive(images.sources("web-next"))
    os.utime(images.root / "webnext/app.py", (1, 1))
    (images.root / "webnext/app.py").chmod(0o600)
    assert archive(images.sources("web-next")) == before
    with tarfile.open(fileobj=io.BytesIO(before)) as tar:
        assert tar.getnames() == ["Dockerfile", "webnext/app.py", "webnext/rds.pem", "webnext/requirements.txt"]
        assert {entry.mode for entry in tar} == {0o644}


def test_nothing_is_built_and_docker_asked_once_when_all_is_there(images: Images, docker: Docker) -> None:
    calls = docker(everything(images))
    assert images.build() == {name: f"sha256:{name}" for name in NAMES}
    assert len(calls) == 1


@pytest.mark.parametrize("wrong", ["missing", "another image"])
def test_an_image_whose_emulator_name_is_wrong_counts_as_missing(images: Images, docker: Docker, wrong: str) -> None:
    tags = everything(images)
    if wrong == "missing":
        del tags[images.aliases("redis")[0]]
    else:
        tags[images.aliases("redis")[0]] = "sha256:else"
    docker(tags)
    assert images.present().keys() == set(NAMES) - {"redis"}


def test_an_engine_that_does_not_answer_is_one_clear_line(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        build,
        "_docker",
        lambda *words: subprocess.CompletedProcess(words, 1, "", "Cannot connect to the Docker daemon"),
    )
    with pytest.raises(ImageError, match=r"^Docker does not answer: Cannot connect .*; start it"):
        images.build()


def test_wheels_are_chosen_for_the_images_python_and_an_interrupted_download_is_repeated(
    images: Images, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = everything(images)
    del tags[images.tag("web-next")]
    docker(tags)
    ran: list[tuple[str, ...]] = []
    context: list[str] = []

    def run(*command: str, stdin: bytes = b"", env: object = None, words: object = None) -> None:
        ran.append(command)
        if "download" in command:
            draft = Path(command[command.index("--dest") + 1])
            assert not draft.exists(), "what an interrupted download left is still there"
            draft.mkdir(parents=True)
            (draft / "left_pad.whl").write_text("wheel")
            if len(ran) == 1:
                raise ImageError("network")
        else:
            with tarfile.open(fileobj=io.BytesIO(stdin)) as tar:
                context.extend(tar.getnames())

    monkeypatch.setattr(build, "_run", run)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(ImageError, match="network"):
        images.build(("web-next",))
    images.build(("web-next",))
    download, made = ran[1], ran[2]
    assert {"--only-binary=:all:", "--python-version=3.13", "--platform=manylinux_2_28_aarch64"} <= {*download}
    assert made[:2] == ("docker", "build")
    assert "wheels/left_pad.whl" in context
    assert f"--build-arg=BASE={images.tag('base')}" in made


def test_a_failing_build_says_its_last_line() -> None:
    with pytest.raises(ImageError, match=r"^`sh -c` ended with 3: disk full; repair what it names"):
        build._run("sh", "-c", "echo trying; echo disk full >&2; exit 3")


def test_without_root_the_base_says_who_has_to_build_it(
    images: Images, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker({})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ImageError, match=r"^debootstrap .* needs root: run `make up` once as root$"):
        images.build(("base",))


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build.main(["mysql"])
    assert ended.value.code == 2
    assert "unknown image mysql; there are base, postgres" in capsys.readouterr().err


def test_no_image_is_built_with_something_that_looks_like_a_secret() -> None:
    for file in (ROOT / "offline" / "images").glob("*/Dockerfile"):
        settings = [line for line in file.read_text().splitlines() if line.startswith(("ENV ", "ARG "))]
        assert not [line for line in settings if any(word in line for word in ("KEY", "SECRET", "PASSWORD"))]


def test_a_base_of_which_nobody_checked_the_signature_is_not_made(tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "debootstrap"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\ncase " $* " in *" --force-check-gpg "*) exit 7 ;; esac\n')
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "NAMESPACE": "own"}
    script = ROOT / "offline" / "images" / "base" / "build.sh"
    done = subprocess.run(["sh", script, tmp_path / "base.tar.gz"], env=environment, capture_output=True, check=False)
    assert done.returncode == 7
