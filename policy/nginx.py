"""nginx's configuration as a tree of directives, for rules to look into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*                                    # between tokens
    | (?P<end>[{};])
    | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
    | (?P<word>(?:\$\{[^}]*\}|\\.|[^\s{};"'\\])(?:\$\{[^}]*\}|\\.|[^\s{};])*)""",
    re.VERBOSE,
)


class NginxError(ValueError):
    """A text that is no configuration of nginx."""


@dataclass(frozen=True)
class Directive:
    """A name, its arguments without their quotes, and what its braces hold."""

    name: str
    args: Sequence[str]
    block: Sequence[Directive] = ()

    def all(self, *names: str) -> Iterator[Directive]:
        """The directives of these names, however deep."""
        for inner in self.block:
            if inner.name in names:
                yield inner
            yield from inner.all(*names)

    def own(self, name: str) -> Iterator[Directive]:
        """The directives of this name that stand in this block itself."""
        return (inner for inner in self.block if inner.name == name)


def parse(text: str) -> Directive:
    """The whole file, as a directive without a name. Raises NginxError where braces or semicolons are amiss."""
    return Directive("", (), _block(_tokens(text), inside=False))


def _tokens(text: str) -> Iterator[tuple[bool, str]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise NginxError(f"line {text.count(chr(10), 0, place) + 1} is not nginx's: close the quote")
        place = found.end()
        for kind in ("end", "double", "single", "word"):
            if found[kind] is not None:
                yield kind == "end", found[kind]


def _block(tokens: Iterator[tuple[bool, str]], *, inside: bool) -> list[Directive]:
    made: list[Directive] = []
    words: list[str] = []
    for ends, part in tokens:
        if not ends:
            words.append(part)
        elif part == "}":
            if not inside or words:
                raise NginxError(f"}} after {' '.join(words) or 'the end'}: close what is open first")
            return made
        elif not words:
            raise NginxError(f"{part} without a directive: take it away")
        else:
            made.append(Directive(words[0], words[1:], _block(tokens, inside=True) if part == "{" else ()))
            words = []
    if inside or words:
        raise NginxError("the text ends within a directive: end it with ; or }")
    return made
