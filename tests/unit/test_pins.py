"""The requirement files are made of the groups in pyproject.toml, hashed to the last package, and name no address."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from offline.bootstrap.console import Console
from offline.bootstrap.python import install
from offline.bootstrap.runner import Job, StepError
from offline.images.build import ImageError, Images
from offline.machine import ROOT
from offline.output import last_line

PYPROJECT = (ROOT / "pyproject.toml").read_text()
FILES = {
    "program": "requirements.txt",
    "watch": "cutover/requirements.txt",
    "webnext": "webnext/requirements.txt",
    "dev": "requirements-dev.txt",
    "emulator": "offline/emulator/requirements.txt",
    "toolchain": "offline/toolchain/requirements.txt",
}
WHEEL = re.compile(r"[0-9a-f]{64}")


def direct(pyproject: str, group: str) -> Iterator[Requirement]:
    """What a group asks for, the groups in it included."""
    for entry in tomllib.loads(pyproject)["dependency-groups"][group]:
        if isinstance(entry, dict):
            yield from direct(pyproject, entry["include-group"])
        else:
            yield Requirement(entry)


def entries(text: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The packages of a requirement file: name → what it asks for, and the hashes of that."""
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for line in lines:
        requirement, *hashes = line.split("--hash=sha256:")
        parsed = Requirement(requirement.strip())
        found[canonicalize_name(parsed.name)] = (parsed, [one.strip() for one in hashes])
    return found


def loose(text: str) -> list[str]:
    """The packages of a requirement file that have no exact version or no hash."""
    return [
        name
        for name, (requirement, hashes) in entries(text).items()
        if not re.fullmatch(r"==[\w.!+]+", str(requirement.specifier))
        or not hashes
        or not all(map(WHEEL.fullmatch, hashes))
    ]


def stale(pyproject: str, group: str, text: str) -> list[str]:
    """What a group asks for and the file has not, or has in another version."""
    have = {name: requirement.specifier for name, (requirement, _) in entries(text).items()}
    return [str(one) for one in direct(pyproject, group) if have.get(canonicalize_name(one.name)) != one.specifier]


def addresses(text: str) -> list[str]:
    return re.findall(r".*(?:://|--(?:extra-)?index-url|--find-links|@ ).*", text)


def test_each_group_has_its_file_and_make_pins_writes_them_all() -> None:
    target = (ROOT / "Makefile").read_text().partition("\npins:")[2].partition("\n\n")[0]
    written = dict(re.findall(r"--group (\w+) .*-o (\S+)$", target, re.MULTILINE))
    assert written == FILES
    assert tomllib.loads(PYPROJECT)["dependency-groups"].keys() == FILES.keys()
    found = [path.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/*requirements*.txt")]
    assert {*map(str, found), *(path.name for path in ROOT.glob("requirements*.txt"))} == set(FILES.values())


@pytest.mark.parametrize("group", FILES)
def test_a_requirement_file_is_what_its_group_asks_for_with_hashes_and_no_address(group: str) -> None:
    text = (ROOT / FILES[group]).read_text()
    assert stale(PYPROJECT, group, text) == [], "run `make pins`"
    assert loose(text) == []
    assert addresses(text) == []


def test_the_service_is_checked_with_the_versions_that_its_image_has() -> None:
    checked, image = (entries((ROOT / FILES[group]).read_text()) for group in ("dev", "webnext"))
    assert {name for name in image if image[name][0].specifier != checked[name][0].specifier} == set()


def test_a_group_that_has_changed_since_make_pins_is_found() -> None:
    text = (ROOT / "requirements.txt").read_text()
    changed = PYPROJECT.replace('"boto3==1.44.5",', '"boto3==1.44.6",\n  "left-pad==1.0",', 1)
    assert stale(changed, "program", text) == ["boto3==1.44.6", "left-pad==1.0"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("six==1.17.0 \\\n    --hash=sha256:" + "a" * 64, []),
        ("six==1.17.0 ; sys_platform == 'darwin' --hash=sha256:" + "a" * 64, []),
        ("six==1.17.0", ["six"]),
        ("six==1.17.0 --hash=sha256:abc", ["six"]),
        ("six>=1.17.0 --hash=sha256:" + "a" * 64, ["six"]),
        ("six==1.* --hash=sha256:" + "a" * 64, ["six"]),
    ],
)
def test_a_package_without_an_exact_version_or_a_hash_is_found(line: str, found: list[str]) -> None:
    assert loose(f"# a comment\n{line}\n") == found


@pytest.mark.parametrize("line", ["--index-url https://example.com", "six @ file:///six.whl", "--find-links /wheels"])
def test_an_address_in_a_requirement_file_is_found(line: str) -> None:
    assert addresses(f"six==1.17.0\n{line}\n") == [line]


def index_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Has pip find an empty package in a folder and nothing else; gives the line of a requirement file for it."""
    with zipfile.ZipFile(folder / "left_pad-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("left_pad-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: left-pad\nVersion: 1.0\n")
        wheel.writestr("left_pad-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("left_pad-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return f"left-pad==1.0 --hash=sha256:{hashlib.sha256(Path(str(wheel.filename)).read_bytes()).hexdigest()}\n"


WRONG = (
    r"left-pad==1\.0 arrived with sha256 [0-9a-f]{64}, which its requirement file does not list; find out who [^\n]+$"
)


def test_a_wrong_or_missing_hash_stops_the_download_of_the_images_wheels_with_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = index_of(tmp_path, monkeypatch)
    requirements = tmp_path / "webnext" / "requirements.txt"
    requirements.parent.mkdir()
    images = Images(tmp_path, tmp_path / "cache")

    requirements.write_text(right[:-9] + "00000000\n")
    with pytest.raises(ImageError, match=rf"^`pip download` ended with 1: {WRONG}"):
        images._wheels()
    requirements.write_text("left-pad==1.0\n")
    with pytest.raises(ImageError, match=r"^`pip download` ended with 1: left-pad==1\.0 --hash=[^\n]+$"):
        images._wheels()

    requirements.write_text(right)
    assert [wheel.name for wheel in images._wheels().iterdir()] == ["left_pad-1.0-py3-none-any.whl"]


def test_a_wrong_hash_stops_the_install_of_the_packages_with_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = index_of(tmp_path, monkeypatch)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(right[:-9] + "00000000\n")
    job = Job("venv", tmp_path / "venv.log", Console(io.StringIO()))
    runs = job.run

    def run(*command: str | Path, words: Callable[[str], str] = last_line) -> None:
        """Runs pip of these tests' own environment; making one takes seconds."""
        if "pip" in command:
            runs(sys.executable, *command[1:], "--target", tmp_path / "packages", words=words)

    monkeypatch.setattr(job, "run", run)
    with pytest.raises(StepError, match=rf"^`[^`]*` exited with 1: {WRONG}"):
        install(tmp_path / "venv", requirements, job)

    requirements.write_text(right)
    install(tmp_path / "venv", requirements, job)
