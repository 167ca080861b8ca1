"""pip as it is run here: wheels only, each with a hash that its requirement file lists."""

from __future__ import annotations

from offline.output import last_line

OPTIONS = ("--disable-pip-version-check", "--only-binary=:all:", "--require-hashes")
MISMATCH = "THESE PACKAGES DO NOT MATCH THE HASHES"


def last_words(output: str) -> str:
    """Returns in one line why pip stopped: the package whose hash is wrong, else the last line that it printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if MISMATCH in line:
            package = lines[number + 1].split()[0]
            received = next(line.split()[-1] for line in lines[number:] if line.startswith("Got "))
            return (
                f"{package} arrived with sha256 {received}, which its requirement file does not list; "
                "find out who changed the package, then run `make pins`"
            )
    return last_line(output)
