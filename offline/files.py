"""What a killed machine may leave empty or cut: small files are written so that it cannot, archives are looked at."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from pathlib import Path


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file whole or not at all, with its mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else the name may be on the disk before what the file holds
    draft.replace(path)


def is_whole(archive: Path) -> bool:
    """Whether a wheel, or what gzip has packed, is there and can be read to its end."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.testzip() is None
        with gzip.open(archive) as packed:
            while packed.read(2**20):
                pass
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
        return False
    return archive.stat().st_size > 0
