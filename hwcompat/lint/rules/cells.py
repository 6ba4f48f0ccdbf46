"""One cell alone: its length, its characters, its form, its words."""

from __future__ import annotations

import math
import re
from datetime import date

from hwcompat import matrix, redaction
from hwcompat.lint.findings import Facts, cell_rule
from hwcompat.matrix import NUMBERS, Column
from hwcompat.model import CAPABILITIES

ARCHS = ("x86_64", "aarch64", "arm64", "ppc64le", "riscv64", "loongarch64", "s390x")
"""Processors that torch is or was built for, from source too; the tables' wheels are of the first three."""

_WORDS = {**{column.name: column.words for column in matrix.COLUMNS if column.words}, "arch": ARCHS}
_VERSION = r"\d+(?:\.\d+)*"
_FORMS = {
    "compute_capability": (re.compile(r"\d{1,2}\.\d|gfx[0-9]{1,3}[0-9a-f]{2}"), "7.5 or gfx1100"),
    "driver": (re.compile(r"\d{1,4}(?:\.\d{1,5}){0,3}"), "552.22, as nvidia-smi prints it"),
    "python": (re.compile(r"3\.\d{1,2}(?:\.\d{1,3})?(?:(?:a|b|rc)\d+)?\+?"), "3.11.7"),
    "torch": (re.compile(r"\d+\.\d+(?:\.\d+)?[0-9a-z.]*(?:\+[0-9A-Za-z._-]+)?"), "2.6.0 or 2.6.0+cu124"),
    "cuda": (re.compile(r"cpu|mps|xpu|cu\d{2,4}|rocm\d+(?:\.\d+)*"), "cpu, cu126, rocm6.2, xpu or mps"),
    "cudnn": (re.compile(_VERSION), "9.10.2"),
    "hwcompat": (re.compile(rf"{_VERSION}(?:(?:a|b|rc)\d+)?(?:\.(?:post|dev)\d+)*(?:\+[0-9a-z.]+)?"), "0.1.0"),
    "suite": (re.compile(_VERSION), "1"),
}
_URL = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][!-~]*)?")
_UNSAFE = re.compile(r"[\"'<>`\\{}|^]")
_CELLS = {column.name: column for column in matrix.COLUMNS}


@cell_rule()
def cells_are_short(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No cell is longer than its column allows."""
    if len(value) <= column.limit:
        return None
    return f"{len(value)} characters, the limit is {column.limit}", "shorten it, keep the rest behind the url"


@cell_rule()
def cells_have_no_stray_spaces(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No cell begins or ends with a space, none holds two in a row or an unusual one."""
    if value == " ".join(value.split()):
        return None
    return "stray or unusual spaces", "write single plain spaces (hwcompat matrix fix does it)"


@cell_rule()
def cells_are_no_formulas(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No cell starts with a character that makes a spreadsheet run it."""
    if not value.lstrip().startswith(("=", "+", "-", "@")):
        return None
    return "a spreadsheet runs this as a formula", "say it in words, or put a quote ' in front"


@cell_rule()
def unknown_is_an_empty_cell(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No cell is a bare nan, null, NA or None, which readers turn into "missing"."""
    bare = value.strip()
    if len(bare) > 9 or matrix.clean(bare) == bare or not bare or matrix.clean(bare) not in ("", "nonfinite"):
        return None
    return "reads as a missing value", "leave the cell empty if it is unknown, write nonfinite for NaN or infinity"


@cell_rule(*_WORDS)
def words_are_of_the_list(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """Verdicts, os, arch, source and level are words of a fixed list."""
    words = _WORDS[column.name]
    return None if value in words else ("no word of this column", f"write one of: {' '.join(words)}")


@cell_rule(*NUMBERS)
def numbers_are_positive_and_finite(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """Sizes, speeds and ratios are plain positive numbers with a point; units stand in the column's name."""
    if column.pattern and value.isascii() and column.pattern.fullmatch(value) and 0 < float(value) < math.inf:
        return None
    return "no positive finite number", "write it like 5.12, without a unit; leave the cell empty if it is unknown"


@cell_rule("exact_digest", "fingerprint_digest")
def digests_are_sixteen_hex_digits(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """A digest is the first 16 hex digits of a SHA-256, in lower case."""
    if re.fullmatch(r"[0-9a-f]{16}", value):
        return None
    return f"{len(value)} characters, not 16 digits 0-9a-f", "take the digest that hwcompat probe recorded"


@cell_rule("pci_id", "pci_subsystem")
def pci_ids_are_two_numbers(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """A PCI id is vendor:device in lower-case hex, four digits each."""
    return None if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", value) else ("no PCI id", "write it like 10de:2182")


@cell_rule(*_FORMS)
def versions_have_their_form(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """Drivers, Pythons, builds, tags and capabilities are written as the tables write them."""
    form, example = _FORMS[column.name]
    return (
        None
        if value.isascii() and form.fullmatch(value)
        else (f"no value for {column.name}", f"write it like {example}")
    )


@cell_rule("date")
def dates_are_days(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """A date is a day of the calendar as YYYY-MM-DD."""
    try:
        if date.fromisoformat(value).isoformat() == value:
            return None
    except ValueError:
        pass
    return "no day of the calendar", "write the UTC day like 2026-11-21"


@cell_rule("date")
def dates_are_not_in_the_future(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No row is dated after today (UTC)."""
    if value <= facts.today:
        return None
    return f"after today, {facts.today} (UTC)", "correct the date; set the clock of that machine if it came from there"


@cell_rule("url")
def urls_are_https(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """A link is a plain https address."""
    if _URL.fullmatch(value) and not _UNSAFE.search(value):
        return None
    return "no plain https address", "give the address as https://host/path, other characters percent-encoded"


@cell_rule("gpu", "contributor", "retracted", "note")
def nothing_personal_stands_in_a_row(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """No path, host or user name, serial number or address is published."""
    scrubbed = redaction.scrub(value)
    if scrubbed == value or not value.isprintable():
        return None
    return "holds what could say whose machine it is", f"take it out: {scrubbed[:80]!a}"


@cell_rule(*CAPABILITIES, "failures", "source", "os", "level")
def cells_are_what_readers_take(facts: Facts, column: Column, value: str) -> tuple[str, str] | None:
    """What the reader of the matrix refuses is a finding, whatever the other rules say."""
    reason = matrix.problem(_CELLS[column.name], value)
    return (reason, "correct that cell") if reason and value not in column.words and not column.words else None
