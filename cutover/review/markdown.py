"""Foreign text in a comment: names, values and messages are a change's own, and whoever opens the change writes them.

What might be Markdown, HTML, a mention or a reference is shown as code, in which GitHub reads none of these.
"""

from __future__ import annotations

import re

WIDTH, LONG = 60, 300
"""Characters of a value in a table, and of a line of prose."""
_HARMLESS = re.compile(r"(?!.*(?:://|www\.|\bGH-\d))[\w .,:;()/%+='\"{}→—…-]*")


def one_line(text: str) -> str:
    """The text in one line, without what a terminal or a browser does not show, such as marks of direction."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def cut(text: str, most: int) -> str:
    """The text's beginning and end, where it has more characters than that."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def prose(text: str, most: int = LONG) -> str:
    """The text in a line of a comment: as it is where nothing in it means anything there, else as code."""
    text = cut(one_line(text), most)
    return text if _HARMLESS.fullmatch(text) else code(text)


def code(text: str) -> str:
    """The text as code, backticks in it as quotes."""
    text = one_line(text).replace("`", "'")
    return f"`{text}`" if text else ""


def cell(text: str, most: int = WIDTH) -> str:
    """The text in a table, where a bar would end the cell even within code."""
    return prose(text.replace("|", "¦"), most)


def fenced(text: str) -> str:
    """The text within a fence, which it does not close."""
    return text.replace("```", "'''")
