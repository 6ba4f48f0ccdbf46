"""One GPU of the fleet, reduced to what judging needs: from a report, and from the file that it came in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from hwcompat import digests, matrix, telemetry, verdicts
from hwcompat import report as reports
from hwcompat.model import BAD_STATUSES, Gpu, Measurement, Report, Row

Key = tuple[str, ...]
SPEEDS = tuple(name for name in (*matrix.SPEEDS, "copy_gbs") if not name.endswith("_speedup"))
"""Absolute speeds; a ratio falls as well when its denominator gets faster."""
THROTTLED_SHARE = 5
"""Per cent of the samples: a card that is held back for less has lost nothing that could be measured."""
RETIRED_PAGES = 60
"""From so many on NVIDIA exchanges a card: https://docs.nvidia.com/deploy/dynamic-page-retirement/"""
_HOST_CAUTION = "exact digests (host)"
_LEAN_RESULT = ("probe", "dtype", "status")
_TORCH = ("version", "build", "cuda", "cudnn")


class Place(NamedTuple):
    """Where a card is. Private to the fleet: no part of it may stand in a public output."""

    node: str = ""
    slot: str = ""

    def __str__(self) -> str:
        node = self.node or "a node without a name"
        return f"{node} slot {self.slot}" if self.slot else node


class Speed(NamedTuple):
    """One measured speed: its value, the shapes it was measured with, and whether the card was left alone meanwhile."""

    value: float
    unit: str
    note: str
    clean: bool


@dataclass(frozen=True)
class Card:
    """One report on one device. `row` is anonymous; `place` is private."""

    row: Row
    place: Place
    measured: bool = True  # any probe came to a result
    bad: tuple[str, ...] = ()  # "probe:dtype:status", sorted
    speeds: Mapping[str, Speed] = field(default_factory=dict)  # plain: it goes from process to process
    digests: Mapping[str, str] = field(default_factory=dict)
    host_digests: bool = False  # its exact digests are not those that every machine must give
    held_back: tuple[str, ...] = ()  # heat or power: "hardware thermal slowdown in 40 %"
    memory: tuple[str, ...] = ()  # what its memory reported: "3 uncorrected ECC errors"
    temperature: float | None = None  # C, the median under test

    @property
    def id(self) -> str:
        return self.row.report_id

    @property
    def key(self) -> Key:
        """What must be equal before two cards can be compared."""
        return digests.comparison_key(self.row)


def cards_of(report: Report, place: Place) -> tuple[Card, ...]:
    """A card for every device of the report. UsageError, as `report.to_row`, for what is no evidence about a card."""
    several = bool(report.others)
    return tuple(_card(one, place, several) for one in (report, *report.others))


def _card(report: Report, place: Place, several: bool) -> Card:
    results = report.results
    own = place._replace(slot=report.device.rpartition(":")[2]) if several or not place.slot else place
    return Card(
        row=_row(report),
        place=own,
        measured=any(r.status not in ("skipped", "unsupported") for r in results),
        bad=tuple(sorted({f"{r.probe}:{r.dtype}:{r.status}" for r in results if r.status in BAD_STATUSES})),
        speeds=dict(_speeds(report.speed)),
        digests={name: digest[: digests.LENGTH] for name, digest in report.digests.items()},
        host_digests=any(one.operation == _HOST_CAUTION for one in report.cautions),
        held_back=_held_back(report),
        memory=_memory(report),
        temperature=report.telemetry["temperature"].value if "temperature" in report.telemetry else None,
    )


def _row(report: Report) -> Row:
    """`report.to_row`. The digests have been checked against their pattern and need no second look, which would take
    half of the time that a fleet takes to read."""
    bare = reports.to_row(replace(report, digests={}, telemetry={}, cautions=()))
    both = {f"{kind}_digest": digests.combined(report.digests, kind) for kind in digests.KINDS}
    return bare._replace(**both)


def _speeds(found: Mapping[str, Measurement]) -> Any:
    for name in SPEEDS:
        if (one := found.get(name)) is not None and one.value > 0:
            yield name, Speed(one.value, one.unit, one.note, verdicts.is_clean(one))


_SHARE = re.compile(r"(?P<reason>[^,]+?) in (?P<share>\d{1,3}) %")


def _held_back(report: Report) -> tuple[str, ...]:
    """What kept the card below its clock during the run, where that was heat or power and lasted."""
    clock = report.telemetry.get("sm_clock")
    seen = ((m["reason"].strip(), int(m["share"])) for m in _SHARE.finditer(clock.note if clock else ""))
    found = [f"{why} in {share} %" for why, share in seen if why in telemetry.SLOWED and share >= THROTTLED_SHARE]
    already = [why for why in (report.gpu.throttle_reasons if report.gpu else ()) if why in telemetry.SLOWED]
    return tuple(found or [f"{why} before the run" for why in already])


def _memory(report: Report) -> tuple[str, ...]:
    """What the card's memory reports of itself. Rows remapped or a few pages retired are repaired, not sick."""
    gpu = report.gpu or Gpu("")
    found = (
        (gpu.ecc_uncorrected, f"{gpu.ecc_uncorrected} uncorrected ECC errors"),
        (gpu.row_remapping in ("pending", "failed"), f"row remapping {gpu.row_remapping}"),
        ((gpu.retired_pages or 0) >= RETIRED_PAGES, f"{gpu.retired_pages} retired pages"),
    )
    return tuple(words for counts, words in found if counts)


# --- what is needed of a report ---------------------------------------------------------------------------------------


def lean(document: Any) -> Any:
    """Of a parsed report what `cards_of` uses; the rest of a report, most of it, is then neither checked nor kept.

    Every bad result stays whole; of the others one is enough to know that something was measured.
    """
    if not isinstance(document, dict):
        return document
    kept = {**document, "notes": [], "capabilities": _without_reasons(document.get("capabilities", {}))}
    if isinstance(document.get("results"), list):
        kept["results"] = _lean_results(document["results"])
    if isinstance(document.get("environment"), dict):
        kept["environment"] = _lean_environment(document["environment"])
    if isinstance(document.get("others"), list):
        kept["others"] = [lean(one) for one in document["others"]]
    return kept


def _lean_results(results: list[Any]) -> list[Any]:
    bad: list[Any] = []
    good: list[Any] = []
    nothing: list[Any] = []
    for one in results:
        status = one.get("status") if isinstance(one, dict) else None
        if status in ("skipped", "unsupported"):
            nothing = nothing or [one]
        elif status in ("pass", "feature", "oom"):
            good = good or [one]
        else:
            bad.append({name: one[name] for name in _LEAN_RESULT if name in one} if isinstance(one, dict) else one)
    return [*bad, *good, *nothing]


def _lean_environment(environment: dict[str, Any]) -> dict[str, Any]:
    kept = {**environment, "gpus": [], "notes": []}
    if isinstance(environment.get("torch"), dict):
        kept["torch"] = {name: environment["torch"][name] for name in _TORCH if name in environment["torch"]}
    return kept


def _without_reasons(capabilities: Any) -> Any:
    if not isinstance(capabilities, dict):
        return capabilities
    return {
        name: {"value": one["value"]} if isinstance(one, dict) and "value" in one else one
        for name, one in capabilities.items()
    }
