"""What must not be said: a finding repeats what an answer or an error says, and that may hold a secret."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

_REST = r"[^\s'\"<>]"
# httpTokens says whether instance metadata asks for a token.
_NAME = (
    r"\b(?!httpTokens\b)\w*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|credential)s?"
)
# What follows in an ARN or type of a secret is none.
_KEY = rf"(?<!:)(?<!secretsmanager/){_NAME}[\"'\\]*\s*[:=]\s*"
_MARK = r"&,;})'\"\\"
_GIVEN_OUT = (
    r"\bgh[opusr]_\w{16,}",
    r"\bgithub_pat_\w{16,}",
    r"\bglpat-[\w-]{16,}",
    r"\bnpm_\w{30,}",
    r"\bxox[abeoprs]-[\w-]{8,}",
    r"\b[rs]k_(?:live|test)_\w{8,}",
    r"\bsk-[\w-]{20,}",
    r"\bAIza[\w-]{30,}",
    r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.|\n)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
"""Tokens and keys by the mark that whoever gives them out puts on them."""
_RULES = (
    # A database's or a queue's URL, whole: one that was cut off has no @ to know its password by.
    (rf"\b((?:postgres(?:ql)?|rediss?)(?:\+\w+)?://){_REST}+", rf"\1{REDACTED}"),
    # user:password@ of any other URL, and where such a URL was cut off; a port is not a password.
    (rf"(\b[a-z][a-z0-9+.-]*://)[^\s/@'\"<>:]*:(?:{_REST}*@|(?!\d{{1,5}}(?!\w)){_REST}+)", rf"\1{REDACTED}@"),
    (r"\b(hooks\.slack(?:-gov)?\.com/\w+/)" + rf"{_REST}+", rf"\1{REDACTED}"),
    # What a presigned URL is signed with.
    (
        r"\b((?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId)(?:=|%3D))[^\s&'\"<>]+",
        rf"\1{REDACTED}",
    ),
    (r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b", REDACTED),
    (r"(\bauthorization[\"'\\]*\s*[:=]\s*[\"'\\]*(?:\w+\s+)?)[^\s'\",;]+", rf"\1{REDACTED}"),
    (r"(\bbearer\s+)[\w.~+/=-]{8,}", rf"\1{REDACTED}"),
    # key="value" and "key": "value" to the closing quote, which in JSON in JSON is an escaped one itself.
    (rf"({_KEY}b?([\"']))(?s:(?!\2)[^\\]|\\.)*", rf"\1{REDACTED}"),
    (rf"({_KEY}(\\+[\"']))(?s:(?!(?<!\\)\2).)*", rf"\1{REDACTED}"),
    # key=value to the end of the word; marks in its middle are the value's.
    (rf"({_KEY})[^\s{_MARK}](?:[^\s{_MARK}]|[{_MARK}](?=[^\s{_MARK}]))*", rf"\1{REDACTED}"),
)
_COMPILED = [
    *((re.compile(pattern), REDACTED) for pattern in _GIVEN_OUT),
    *((re.compile(pattern, re.IGNORECASE), by) for pattern, by in _RULES),
]
_SECRET_KEY = re.compile(
    r"(?<![\w/+=-])(?=[\w/+]{0,39}[A-Z])(?=[\w/+]{0,39}[a-z])(?=[\w/+]{0,39}\d)[A-Za-z0-9/+]{40}(?![\w/+=-])"
)
"""An AWS secret key has no mark: 40 characters of three kinds. A commit's hash has no capitals."""
_NAMED = re.compile(rf"{_NAME}\Z", re.IGNORECASE)


def named_secret(key: str) -> bool:
    """Whether the name says that whatever stands under it is a secret."""
    return bool(_NAMED.search(key))


def redacted(text: str) -> str:
    """The text without the secrets that it is known by their form to hold: signatures of presigned URLs, passwords in
    URLs, the addresses of Postgres, Redis and Slack's webhooks, AWS keys, tokens, and values of keys named so."""
    for pattern, by in _COMPILED:
        text = pattern.sub(by, text)
    return _SECRET_KEY.sub(REDACTED, text)
