"""File names made of names: short, plain, never one that a file system reads as something else."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, count

_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "index", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_LONGEST = 80


def slug(name: str) -> str:
    """`name` in a-z, 0-9 and single hyphens, at most 80 characters; never empty and no name that Windows reserves."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-")
    return marked(name) if not short or short in _RESERVED else short


def marked(name: str) -> str:
    """A slug that other names hardly have: the beginning of `name` and twelve digits of a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower().encode("ascii", "ignore").decode("ascii")).strip("-")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain[: _LONGEST - 20].strip('-') or 'card'}-{digest}"


def distinct(known: Iterable[str], others: Iterable[str] = ()) -> dict[str, str]:
    """{name: slug}, no two alike.

    `known` names keep their plain slugs; `others` are anybody's words and get marked ones, so that no new row moves
    the page of another card.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for make, names in ((slug, sorted(set(known))), (marked, sorted(set(others) - set(known)))):
        for name in names:
            found[name] = _free(make(name), marked(name), taken)
            taken.add(found[name])
    return found


def _free(wanted: str, second: str, taken: set[str]) -> str:
    tries = chain((wanted, second), (f"{second}-{n}" for n in count(2)))
    return next(one for one in tries if one not in taken)
