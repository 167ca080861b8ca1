"""Which images are built, and from what: pins, build contexts, names."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from offline.images.build import NAMES, Images, archive
from offline.machine import ROOT


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """The images of a copy of the source tree, which a test may change."""
    for part in ("offline/images", "webnext"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return Images(root=tmp_path, cache=tmp_path / "cache")


def test_the_same_files_have_the_same_pins_in_another_folder(images: Images) -> None:
    assert {name: images.tag(name) for name in NAMES} == {name: Images().tag(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_changes_the_images_own_pin(images: Images, name: str) -> None:
    before = images.pin(name)
    some = min(images.sources(name).values())
    some.write_bytes(some.read_bytes() + b"\n")
    assert images.pin(name) != before


def test_a_changed_base_changes_every_pin(images: Images) -> None:
    before = {name: images.pin(name) for name in NAMES}
    (images.root / "offline/images/base/build.sh").write_text("exit 1\n")
    assert all(images.pin(name) != before[name] for name in NAMES)


def test_a_changed_image_leaves_the_others_alone(images: Images) -> None:
    before = {name: images.pin(name) for name in NAMES}
    (images.root / "offline/images/redis/Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    assert [name for name in NAMES if images.pin(name) != before[name]] == ["redis"]


def test_the_service_is_part_of_its_images_pin(images: Images) -> None:
    before = images.pin("web-next")
    (images.root / "webnext" / "new.py").write_text("x = 1\n")
    assert images.pin("web-next") != before


def test_an_executable_bit_changes_the_pin(images: Images) -> None:
    before = images.pin("postgres")
    (images.root / "offline/images/postgres/entrypoint.sh").chmod(0o755)
    assert images.pin("postgres") != before


def test_compiled_python_is_neither_pinned_nor_sent(images: Images) -> None:
    before = images.pin("web-next")
    compiled = images.root / "webnext" / "__pycache__" / "app.cpython-313.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"\0")
    assert images.pin("web-next") == before
    assert not [path for path in images.sources("web-next") if path.endswith(".pyc")]


def test_the_services_context_is_its_dockerfile_and_its_package(images: Images) -> None:
    context = images.sources("web-next")
    assert {"Dockerfile", "webnext/requirements.txt", "webnext/__main__.py"} <= context.keys()
    assert {path.partition("/")[0] for path in context} == {"Dockerfile", "webnext"}


def test_a_context_is_the_same_whenever_and_by_whomever_it_is_made(images: Images) -> None:
    first = archive(images.sources("postgres"))
    for file in images.sources("postgres").values():
        file.touch()
    assert archive(images.sources("postgres")) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert {(entry.uid, entry.gid, entry.mtime) for entry in tar} == {(0, 0, 0)}


def test_the_emulator_finds_its_databases_under_a_prefix_and_never_under_official_names(images: Images) -> None:
    prefix = images.emulator_prefix
    assert images.aliases("postgres") == [f"{prefix}/postgres:17-alpine"]
    assert images.aliases("redis") == [f"{prefix}/redis:7-alpine"]
    assert prefix.startswith("web-next-cutover/")
    assert not images.aliases("nginx")


def test_a_changed_database_image_moves_the_emulators_prefix(images: Images) -> None:
    before = images.emulator_prefix
    (images.root / "offline/images/redis/Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    assert images.emulator_prefix != before


@pytest.mark.parametrize("name", [name for name in NAMES if name != "base"])
def test_no_image_bakes_in_a_variable_that_sounds_like_a_secret(name: str) -> None:
    text = Images().sources(name)["Dockerfile"].read_text()
    variables = [line for line in text.splitlines() if line.startswith("ENV ")]
    assert not [line for line in variables if any(word in line for word in ("KEY", "SECRET", "PASSWORD"))]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "base"])
def test_a_build_downloads_nothing_but_debian_packages(name: str) -> None:
    text = Images().sources(name)["Dockerfile"].read_text()
    assert not [word for word in ("curl", "wget", "http://", "https://", "git clone") if word in text]
    assert "pip install" not in text or "--no-index" in text
