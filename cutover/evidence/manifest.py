"""The manifest of a pack: the hash of each file in it, and whether files are what their manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from cutover.errors import PackError

MANIFEST = "manifest.json"


def manifest(files: Mapping[str, bytes]) -> str:
    """The name, size in bytes and SHA-256 of each file, as JSON."""
    entries = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    return json.dumps({"files": entries}, indent=2, sort_keys=True) + "\n"


def require_hashes(files: Mapping[str, bytes], pack_id: str | None = None) -> None:
    """Raises PackError that names each file that is changed, missing or too many, by the manifest among them."""
    require(_hashes(files, pack_id))


def require(problems: Iterable[str]) -> None:
    """Raises PackError with the problems, if there are any."""
    found = list(problems)
    if found:
        raise PackError("; ".join(found) + ": take the pack from the records bucket again")


def _hashes(files: Mapping[str, bytes], pack_id: str | None) -> Iterator[str]:
    if MANIFEST not in files:
        yield f"{MANIFEST} is missing: without it this is no pack"
        return
    own = hashlib.sha256(files[MANIFEST]).hexdigest()
    if pack_id and not own.startswith(pack_id):
        yield f"{MANIFEST} has the SHA-256 {own}, {pack_id} was expected"
    rest = {name: content for name, content in files.items() if name != MANIFEST}
    try:
        listed = json.loads(files[MANIFEST])["files"]
        wanted = {str(name): str(entry["sha256"]) for name, entry in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{MANIFEST} is no manifest"
        return
    yield from (f"{name} is missing" for name in sorted(wanted.keys() - rest.keys()))
    yield from (f"{name} is not in {MANIFEST}" for name in sorted(rest.keys() - wanted.keys()))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in rest.items()}
    for name in sorted(wanted.keys() & rest.keys()):
        if hashes[name] != wanted[name]:
            yield f"{name} has the SHA-256 {hashes[name]}, {MANIFEST} says {wanted[name]}"
    if wanted == hashes and files[MANIFEST] != manifest(rest).encode():
        yield f"{MANIFEST} is not as it was written"
