"""Texts with wildcards: `*` is any run of characters, `?` is any one."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import zip_longest

_PARTS = 6
"""Of an ARN, between colons; the last one may have colons of its own."""


def like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether the whole text is as the pattern."""
    return bool(_glob(pattern, ignore_case).fullmatch(text))


def arn_like(pattern: str, arn: str) -> bool:
    """Whether each of the six parts of an ARN is as the pattern's: ArnEquals and ArnLike are the same."""
    parts = zip_longest(pattern.split(":", _PARTS - 1), arn.split(":", _PARTS - 1), fillvalue="")
    return all(like(one, other) for one, other in parts)


def resource_like(pattern: str, arn: str) -> bool:
    """Whether a Resource element's pattern has the ARN. A `*` that ends one of the parts goes on over the colons behind
    it; any other stays within its part."""
    return bool(_resource(pattern).fullmatch(arn))


@lru_cache(maxsize=4096)
def _glob(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(_regex(pattern, any_run=".*"), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@lru_cache(maxsize=4096)
def _resource(pattern: str) -> re.Pattern[str]:
    *start, last = pattern.split(":", _PARTS - 1)
    parts = [
        _regex(part[:-1], any_run="[^:]*") + ".*" if part.endswith("*") else _regex(part, "[^:]*") for part in start
    ]
    return re.compile(":".join([*parts, _regex(last, any_run=".*")]), re.DOTALL)


def _regex(pattern: str, any_run: str) -> str:
    return "".join({"*": any_run, "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
