"""Cells in their canonical spelling. What is not understood stays as it is; spelling twice changes nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

from hwcompat.matrix import NUMBERS
from hwcompat.model import BAD_STATUSES, CAPABILITIES
from hwcompat.spelling import mig_profile, spellings

from .cards import by_chip, by_name
from .findings import Facts

Spelling = Callable[[str], str]

_MISSING = frozenset(("null", "none", "na", "n/a", "#n/a", "<na>"))
_SYSTEMS = (
    (re.compile(r"windows(?: \d+)?|win(?:32|64)?"), "windows"),
    (re.compile(r"wsl ?[12]?"), "wsl"),
    (re.compile(r"mac ?os(?: x)?|osx|darwin"), "macos"),
    (re.compile(r"linux"), "linux"),
)
_ARCHS = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64"}
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d)?)(?: ?(?:gi?b|gb/s|tflops?(?:/s)?|x))?")
_DAY = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00))?")
_ID = re.compile(r"[0-9a-f]{16}|reported-[0-9a-f]{12}")
_FAILURE = re.compile(rf"[^\s:]+:[^\s:]*:(?:{'|'.join(sorted(BAD_STATUSES))})")


def spelled(cells: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """The cells of a row, each in the spelling of the tables.

    The name of a card is only touched in a measured row, where the same letters and digits name one card of the tables:
    a report keeps the words of who wrote it.
    """
    found = {name: _cell(name, value) for name, value in cells.items()}
    found["chip"] = _chip(found["chip"], facts)
    if found["os"] in ("windows", "wsl"):
        found["driver"] = _as_nvidia_counts(found["driver"])
    if found["source"] == "measured":
        found["gpu"] = _card_name(found["gpu"], found["chip"], facts)
    return found


def _cell(name: str, text: str) -> str:
    value = " ".join(text.split())
    if not value or value.lower() in _MISSING:
        return ""
    return _SPELLINGS[name](value) if name in _SPELLINGS else value


def _chip(value: str, facts: Facts) -> str:
    upper = value.upper()
    return upper if by_chip(facts, upper) else "cpu" if upper == "CPU" else value


def _card_name(value: str, chip: str, facts: Facts) -> str:
    names = {card.name for card in by_name(facts, value) if chip in ("", card.chip)}
    if len(names) != 1 or mig_profile(value):
        return value
    [name] = names
    return name if spellings(name)[0] == spellings(value)[0] else value


def _as_nvidia_counts(driver: str) -> str:
    """ "552.22" for "31.0.15.5222", which is how Windows writes it."""
    windows = re.fullmatch(r"\d{2}\.\d{1,2}\.\d{0,2}(\d)\.(\d\d)(\d\d)", driver)
    return f"{windows[1]}{windows[2]}.{windows[3]}" if windows else driver


def _system(value: str) -> str:
    return next((word for form, word in _SYSTEMS if form.fullmatch(value.lower())), value)


def _word(words: tuple[str, ...]) -> Spelling:
    return lambda value: value.lower() if value.lower() in words else value


def _arch(value: str) -> str:
    lower = value.lower()
    return _ARCHS.get(lower, lower if lower in ("x86_64", "aarch64", "arm64", "ppc64le") else value)


def _number(value: str) -> str:
    """Without a unit, an exponent and leading zeros; zeros at the end say how exact it is and stay."""
    found = _NUMBER.fullmatch(value.lower())
    return re.sub(r"^0+(?=\d)", "", format(Decimal(found[1]), "f")) if found else value


def _day(value: str) -> str:
    found = _DAY.fullmatch(value)
    if not found or (not found[2] and len(found[3] + found[4]) != 4):
        return value
    try:
        return date(int(found[1]), int(found[3]), int(found[4])).isoformat()
    except ValueError:
        return value


def _pci(value: str) -> str:
    found = re.fullmatch(r"(?:0x)?([0-9a-f]{4})[:\- ](?:0x)?([0-9a-f]{4})", value.lower())
    return f"{found[1]}:{found[2]}" if found else value


def _capability(value: str) -> str:
    found = re.fullmatch(r"(?:sm|compute)_?(\d{1,2})(\d)", value.lower())
    if found:
        return f"{found[1]}.{found[2]}"
    return value.lower() if re.fullmatch(r"gfx[0-9a-f]+", value.lower()) else value


def _tag(value: str) -> str:
    """ "cu126" of "12.6", "CUDA 12.6" or "CU126"."""
    lower = value.lower()
    found = re.fullmatch(r"(?:cuda ?)?(\d{1,2})\.(\d)", lower)
    if found:
        return f"cu{found[1]}{found[2]}"
    return lower if re.fullmatch(r"cpu|mps|xpu|cu\d{2,4}|rocm\d+(?:\.\d+)*", lower) else value


def _cudnn(value: str) -> str:
    """ "9.10.2" of 91002 and "8.9.2" of 8902, as CUDNN_VERSION counts (cudnn_version.h: by 10000 from 9 on)."""
    if not re.fullmatch(r"[1-9]\d{3,5}", value):
        return value
    number = int(value)
    major = number // 10000 if number >= 90000 else number // 1000
    rest = number - major * (10000 if number >= 90000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def _without(prefix: str) -> Spelling:
    """A version without the word in front of it."""
    form = re.compile(rf"(?:{prefix}) ?(\d[^\s]*)", re.IGNORECASE)

    def spell(value: str) -> str:
        found = form.fullmatch(value)
        return found[1] if found else value

    return spell


def _hexadecimal(value: str) -> str:
    return value.lower() if re.fullmatch(r"[0-9a-fA-F]{16}", value) else value


def _ids(value: str) -> str:
    words = value.lower().split(" ")
    return " ".join(sorted(set(words))) if all(map(_ID.fullmatch, words)) else value


def _failures(value: str) -> str:
    words = value.split(" ")
    end = [words.pop()] if words[-1] == "..." else []
    return " ".join([*sorted(set(words)), *end]) if all(map(_FAILURE.fullmatch, words)) else value


_SPELLINGS: dict[str, Spelling] = {
    **dict.fromkeys(NUMBERS, _number),
    **dict.fromkeys(CAPABILITIES, _word(("ok", "emulated", "slow", "unknown", "unsupported", "faulty"))),
    **dict.fromkeys(("pci_id", "pci_subsystem"), _pci),
    **dict.fromkeys(("exact_digest", "fingerprint_digest"), _hexadecimal),
    **dict.fromkeys(("report_id", "supersedes"), _ids),
    "compute_capability": _capability,
    "os": _system,
    "arch": _arch,
    "cuda": _tag,
    "cudnn": _cudnn,
    "driver": _without("v|version|driver"),
    "python": _without("v|python|cpython"),
    "torch": _without("v|torch|pytorch"),
    "hwcompat": _without("v|hwcompat"),
    "date": _day,
    "source": _word(("measured", "reported")),
    "level": _word(("quick", "standard", "full")),
    "failures": _failures,
}
