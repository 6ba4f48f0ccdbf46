"""Texts of strangers on a page: every character visible, links only to the web. Escaping is the templates' part."""

from __future__ import annotations

import re

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?([/?#][!-~]*)?")


def visible(text: str) -> str:
    """`text` on one line; what cannot be seen or turns the direction of writing is spelled out: \\u202e."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else _spelled(c) for c in text)


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def web_address(text: str) -> str:
    """`text` if it is a plain http or https address without user, password or other characters than ASCII; else ""."""
    address = text.strip()
    return address if len(address) <= 2048 and _URL.fullmatch(address) else ""


def citation(text: str) -> tuple[str, str]:
    """("https://...", "") or ("", text): what can be linked, and what is only told."""
    address = web_address(text)
    return (address, "") if address else ("", text)
