"""Text in a CSV file that spreadsheets open: what they would take for a formula is made text.

A cell that starts with = + - @, a tab or a line end, whatever blanks, invisible characters or full-width forms are
used, gets an apostrophe before it. A spreadsheet may split at other separators than the file's, by its locale, so one
stands before such a character behind a semicolon too. Control characters are written as escapes: an entry is a line.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

GUARD = "'"
COMMENT_LENGTH = 1000
"""Characters of a comment line at most."""

_FORMULA = "=+-@\N{MINUS SIGN}"
_HARMLESS = re.compile(r"[A-Za-z0-9{\[\"][^;\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_AFTER_SEMICOLON = re.compile(r"(?<=;)")
_AFTER_SEPARATOR = re.compile(r"(?<=[,;])")


def cell(text: str) -> str:
    """Return the text as one cell of one line."""
    if _HARMLESS.fullmatch(text):
        return text
    guarded = _guarded(text, _AFTER_SEMICOLON)
    return _UNPRINTED.sub(_escape, guarded)


def json_cell(value: Any) -> str:
    """Return a value as JSON, empty for None. What a caller can have sent as details reads back as it was."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Only ever inside a string. There the escape says the same, and no locale splits at it.
    return cell(text.replace(";", "\\u003b"))


def comment(name: str, value: str) -> str:
    """Return the line `# name: value`, which cannot end early, open a quotation, or start a cell with a formula."""
    text = _UNPRINTED.sub(" ", value).replace('"', GUARD)
    return _guarded(f"# {name}: {text}", _AFTER_SEPARATOR)[:COMMENT_LENGTH] + "\n"


def _guarded(text: str, starts: re.Pattern[str]) -> str:
    return "".join(GUARD + part if _starts_formula(part) else part for part in starts.split(text))


def _starts_formula(text: str) -> bool:
    for letter in text:
        if letter in "\t\r\n":
            return True
        if not letter.isspace() and unicodedata.category(letter)[0] != "C":
            return unicodedata.normalize("NFKC", letter)[0] in _FORMULA
    return False


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
