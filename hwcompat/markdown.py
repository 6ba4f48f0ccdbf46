"""Texts of strangers inside GitHub's Markdown: shown letter by letter, never obeyed. Pure text.

GitHub looks for mentions, issue numbers, commits and addresses in the finished HTML, so escaping `@` is not enough:
only inside `<code>` and fenced blocks does it leave a text alone. https://github.github.com/gfm/ describes the rest.
"""

from __future__ import annotations

import re

_LONGEST_FENCE = re.compile("`+")
_SIGN = re.compile("(?<![0-9])[.-]|[.-](?![0-9])|[^A-Za-z0-9 .-]")


def code(text: str) -> str:
    """`text` as code inside a sentence or a table cell: letters, digits, blanks, and all other signs as HTML entities,
    but for points and hyphens between digits (2.13.0, 2026-11-21)."""
    return f"<code>{_SIGN.sub(_entity, text)}</code>"


def _entity(found: re.Match[str]) -> str:
    sign = found[0]
    return f"&#{ord(sign)};" if sign.isprintable() else " "


def fenced(text: str, language: str = "") -> str:
    """`text` (of any lines) as a block of code: the fence is longer than every run of backticks in it."""
    longest = max((len(run) for run in _LONGEST_FENCE.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
