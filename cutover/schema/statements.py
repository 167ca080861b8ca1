"""SQL text taken apart into statements, far enough to tell what each one is."""

from __future__ import annotations

import re

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_PIECE = re.compile(
    rf"""
    (?P<blank>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<literal>[eE]'(?:[^'\\]|\\.|'')*' | (?:[bBnNxX]|[uU]&)?'(?:[^']|'')*' | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
  | (?P<name>{_NAME}(?:\s*\.\s*{_NAME})*)
  | (?P<end>;)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
LITERAL = "''"


def statements(sql: str) -> list[list[str]]:
    """Each statement as its words and marks; comments are left out, and a string or $$ body becomes LITERAL.

    Words are in capitals, quoted names as written, a dotted name is one word. What is not SQL gives words that
    mean nothing; Postgres refuses it.
    """
    found: list[list[str]] = [[]]
    at = 0
    while at < len(sql):
        piece = _PIECE.match(sql, at)
        assert piece, "any character is at least a mark"
        at = piece.end()
        match piece.lastgroup:
            case "comment":
                at = _end_of_comment(sql, at)
            case "literal" | "tag":
                found[-1].append(LITERAL)
            case "name":
                found[-1].append(piece[0] if '"' in piece[0] else "".join(piece[0].split()).upper())
            case "end":
                found.append([])
            case "mark":
                found[-1].append(piece[0])
    return [statement for statement in found if statement]


def outside_parentheses(words: list[str]) -> list[str]:
    """The words that are in no parentheses."""
    outside, depth = [], 0
    for word in words:
        depth -= word == ")"
        if depth == 0 and word not in "()":
            outside.append(word)
        depth += word == "("
    return outside


def _end_of_comment(sql: str, at: int) -> int:
    depth = 1
    for mark in _COMMENT.finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)
