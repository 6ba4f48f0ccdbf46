"""Which rows of the matrix are meant, and in which order: pure filters over rows that are already read.

A condition looks at the value of a cell only, so it is asked once for every value that occurs: a million rows are
filtered in tenths of a second. A cell that is empty is unknown and satisfies no condition.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from .bulk import Condition
from .errors import UsageError
from .matrix import NUMBERS
from .model import CAPABILITIES, VERDICTS, Row
from .spelling import spellings
from .tablerows import cuda_version, in_range, range_parts, version_key

Accepts = Callable[[str], bool]


class Filter(NamedTuple):
    """What rows are wanted; an empty field asks nothing. Rows must satisfy every field.

    gpu         part of the card's name, its chip or its PCI id; case, spaces, dashes and makers' names do not count
    chip        the chip: "TU116"
    torch       a version or the beginning of one ("2.6", "2.6.0+cu124"), or a range (">=2.5,<2.7")
    cuda        a tag or the beginning of one ("cu126", "cu12", "cpu", "rocm"), a version of CUDA ("12.6", "12") or a
                range (">=12.4")
    capability  one of CAPABILITIES (rows with a verdict on any given), or what kernels are built for ("7.5", "sm_75",
                "gfx90a")
    verdict     "faulty" (of any capability, or of those in `capability`) or "fp16=faulty"; several: all of them
    source      measured or reported
    os          linux, windows, macos or wsl
    since       rows of this day or later: YYYY, YYYY-MM or YYYY-MM-DD
    """

    gpu: str = ""
    chip: str = ""
    torch: str = ""
    cuda: str = ""
    capability: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    source: str = ""
    os: str = ""
    since: str = ""


def select(rows: Iterable[Row], wanted: Filter) -> list[Row]:
    """The rows that satisfy `wanted`, in their order. UsageError for a filter that cannot be meant."""
    found = list(rows)
    for condition in conditions(wanted):
        found = _satisfying(found, condition)
    return found


def _satisfying(rows: list[Row], condition: Condition) -> list[Row]:
    places = [Row._fields.index(name) for name in condition.columns]
    values = set(chain.from_iterable(set(map(itemgetter(at), rows)) for at in places))
    good = {value for value in values if value and condition.accepts(value)}
    if len(places) == 1:
        at = places[0]
        return [row for row in rows if row[at] in good]
    pick = itemgetter(*places)
    return [row for row in rows if not good.isdisjoint(pick(row))]


# --- conditions -------------------------------------------------------------------------------------------------------


def conditions(wanted: Filter) -> list[Condition]:
    """The conditions that `wanted` asks for, the cheapest first. UsageError for what cannot be meant."""
    found = [
        Condition((name,), _equals(value)) for name in ("source", "os", "chip") if (value := getattr(wanted, name))
    ]
    if wanted.since:
        found.append(Condition(("date",), _since(wanted.since)))
    if wanted.torch:
        found.append(Condition(("torch",), _torch(wanted.torch)))
    if wanted.cuda:
        found.append(Condition(("cuda",), _cuda(wanted.cuda)))
    if wanted.gpu:
        found.append(Condition(("gpu", "chip", "pci_id"), _named(wanted.gpu)))
    return found + _capabilities(wanted.capability) + _verdicts(wanted.verdict, wanted.capability)


def _equals(wanted: str) -> Accepts:
    lower = wanted.lower()
    return lambda value: value.lower() == lower


def _named(wanted: str) -> Accepts:
    lower, spelt = wanted.lower().strip(), spellings(wanted)[0]

    def accepts(value: str) -> bool:
        return lower in value.lower() or (bool(spelt) and spelt in spellings(value)[0])

    return accepts


def _since(wanted: str) -> Accepts:
    day = wanted
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}(-\d\d){0,2}", wanted):
            datetime.date.fromisoformat(day := (wanted + "-01-01")[:10])
            return lambda value: value >= day
    raise UsageError(f"{wanted!r} is not a day", "write --since 2026, 2026-04 or 2026-04-30")


def _torch(wanted: str) -> Accepts:
    if wanted[0] in "<>=!":
        return _in_range(wanted)
    if not re.fullmatch(r"\d\w*(\.\w+)*(\+[\w.-]+)?", wanted):
        raise UsageError(f"{wanted!r} is not a version of torch", 'write 2.6, 2.6.0+cu124 or ">=2.5,<2.7"')
    return _begins(wanted)


def _cuda(wanted: str) -> Accepts:
    if wanted[0] in "<>=!":
        inside = _in_range(wanted)
        return lambda tag: inside(cuda_version(tag))
    if not re.fullmatch(r"[\da-z][\d.]*|[a-z]+\d*[\d.]*", wanted):
        raise UsageError(f"{wanted!r} is not CUDA's version or a tag", 'write cu126, 12.6, cpu, rocm or ">=12.4"')
    if wanted[0].isdigit():
        begins = _begins(wanted)
        return lambda tag: begins(cuda_version(tag))
    return lambda tag: tag.startswith(wanted)


def _begins(wanted: str) -> Accepts:
    """Whether a version is `wanted` or a closer one: "2.6" takes 2.6.0+cu124, never 2.60."""
    return lambda value: value == wanted or value.startswith((f"{wanted}.", f"{wanted}+"))


def _in_range(wanted: str) -> Accepts:
    try:
        range_parts(wanted)
    except ValueError as error:
        raise UsageError(str(error), 'write for example ">=2.5,<2.7", in quotes') from None
    return lambda value: value[:1].isdigit() and in_range(value, wanted)


_COMPUTE = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)")
_GFX = re.compile(r"gfx[0-9a-f]{3,5}")


def _capabilities(wanted: Sequence[str]) -> list[Condition]:
    names = tuple(name for name in CAPABILITIES if name in wanted)
    others = {_compute_capability(text) for text in wanted if text not in CAPABILITIES}
    found = [Condition(("compute_capability",), others.__contains__)] if others else []
    return found + ([Condition(names, bool)] if names else [])


def _compute_capability(text: str) -> str:
    if _GFX.fullmatch(text):
        return text
    if number := _COMPUTE.fullmatch(text):
        return f"{number[1]}.{number[2]}"
    raise UsageError(f"{text!r} is no capability", f"choose of {' '.join(CAPABILITIES)}, or write 7.5, sm_75 or gfx90a")


def _verdicts(wanted: Sequence[str], capabilities: Sequence[str]) -> list[Condition]:
    chosen = tuple(name for name in CAPABILITIES if name in capabilities) or CAPABILITIES
    found = []
    for text in wanted:
        name, equals, verdict = text.rpartition("=")
        if verdict not in VERDICTS or (equals and name not in CAPABILITIES):
            raise UsageError(f"{text!r} is no verdict", f"write fp16=faulty, or one of {' '.join(VERDICTS)}")
        found.append(Condition((name,) if equals else chosen, _equals(verdict), word=verdict))
    return found


# --- order ------------------------------------------------------------------------------------------------------------

_VERSIONS = ("torch", "driver", "python", "cudnn", "compute_capability", "hwcompat", "suite")


def ordered(rows: Iterable[Row], by: str) -> list[Row]:
    """`rows` by one or more columns ("-date,gpu": newest first, then by card); unknown cells last in either direction.

    Numbers and versions by value, text by its characters; rows that tie keep their order. UsageError for no column.
    """
    found = list(rows)
    for part in reversed([part.strip() for part in by.split(",")]):
        name = part.removeprefix("-")
        if name not in Row._fields:
            raise UsageError(f"there is no column {name[:40]!r} to sort by", f"choose of {' '.join(Row._fields)}")
        at, key = Row._fields.index(name), _order_of(name)
        keys = {value: key(value) for value in set(map(itemgetter(at), found)) if value}
        known = sorted((row for row in found if row[at]), key=lambda row: keys[row[at]], reverse=part != name)
        found = known + [row for row in found if not row[at]]
    return found


def _order_of(name: str) -> Callable[[str], tuple[object, ...]]:
    if name in NUMBERS:
        return lambda value: (float(value),)
    if name in _VERSIONS:
        return lambda value: (version_key(value), value)
    if name == "cuda":
        return lambda value: (version_key(cuda_version(value)), value)
    return lambda value: (value,)


class Key(NamedTuple):
    """What rows have in common that say something together: the chip (where unknown, the name), system and build."""

    card: str
    os: str
    torch: str  # without the tag: "2.6.0"
    cuda: str


def _chip_or_name(row: Row) -> str:
    return row.chip or row.gpu


def together(rows: Iterable[Row], card_of: Callable[[Row], str] = _chip_or_name) -> dict[Key, list[Row]]:
    """`rows` by what they are about, in the order of the keys' first rows; `cardnames.card_of_row` knows aliases."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        key = Key(card_of(row), row.os, row.torch.partition("+")[0], row.cuda)
        groups.setdefault(key, []).append(row)
    return groups


def csv_text(rows: Iterable[Row]) -> str:
    """The rows as a matrix file in the order given (`matrix.to_text` sorts them)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()
