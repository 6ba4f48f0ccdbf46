"""What several rows together say of one capability: the rules of trust, all of them, in `consensus`. Pure.

Which rows are near enough is decided by passing rows alone, and a row with any failure in it vouches for nothing: so
failing evidence is never displaced by more failing evidence, and one more failing row can only lower the verdict. Rows
come in any order; a report counts once however often it arrives, and a voice once however often it speaks.
docs/trust.md says the same in plain words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import NamedTuple

from .digests import Disagreement, disagreements
from .model import CAPABILITIES, Row, worst_verdict
from .nearness import FAR, Near, Tier, alike

COMPLETE_LEVELS = ("standard", "full")
"""A quick run may find a fault; it cannot clear one."""

MEASURED, REPORTED = 2, 1
"""Votes of one voice: users' reports blame a model as often as a card, so two of them weigh one measurement."""
SUSPECTED = MEASURED
CONVICTED = 2 * MEASURED
"""One sick specimen does not convict a model, two independent ones do."""
OUTVOTED = 2
"""Passing votes for each failing one that outvote it."""
ENOUGH_VOICES = 2
"""Passing voices that make everything farther away irrelevant."""

CIRCUMSTANCES = ("driver", "os", "torch", "cuda", "cudnn", "pci_subsystem", "vram_gb", "arch", "python", "suite")
"""What may explain why rows contradict each other, the likeliest first."""


class Spread(NamedTuple):
    """Of one speed column: least, median and greatest value, and how many rows gave one."""

    column: str
    low: float
    middle: float
    high: float
    rows: int


class Explanation(NamedTuple):
    """A circumstance in which every failing row differs from every passing one, with the values seen."""

    column: str
    passing: tuple[str, ...]
    failing: tuple[str, ...]


class Consensus(NamedTuple):
    """What rows say together of one capability; a verdict is never shown without `observations` and its age.

    outcome         none, ok, suspected or faulty; `verdict` is its word in the matrix
    passing         the rows that count for it, nearest first; `failing`: against it
    votes           weight for and against
    counts          observations (distinct reports) by the word in the row, also of rows that have no vote
    observations    distinct reports behind `counts`; `measured` of them by a probe, the others told by users
    voices          different contributors and threads among those who vote
    newest, oldest  dates of what is counted, "" where none has one
    spread          of this capability's own speeds on the nearest system
    explanations    of a contradiction; empty also where nothing recorded explains it
    digests         keys in which rows hold different digests: one of those machines computes otherwise
    """

    capability: str
    outcome: str = "none"
    verdict: str = "unknown"
    passing: tuple[Near, ...] = ()
    failing: tuple[Near, ...] = ()
    votes: tuple[int, int] = (0, 0)
    counts: Mapping[str, int] = {}
    observations: int = 0
    measured: int = 0
    voices: int = 0
    newest: str = ""
    oldest: str = ""
    spread: tuple[Spread, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    digests: tuple[Disagreement, ...] = ()

    @property
    def contradicted(self) -> bool:
        """Both passing and failing rows count."""
        return bool(self.passing and self.failing)

    def age_days(self, today: str) -> int | None:
        """Days from the newest observation to `today` ("2026-11-21"); None where no date is known."""
        return _days(self.newest, today)


def consensus(evidence: Sequence[Near], name: str) -> Consensus:
    """What `evidence` (nearest first, as `near_rows` or `alike` return it) says of the capability `name`.

    The rules, in order; docs/trust.md explains each:

    1. Retracted and superseded rows are not in the evidence: `merging.standing` took them out.
    2. A row *passes* if it was measured at level standard or full, no probe failed in it, and its verdict is ok, slow
       or emulated. A row *fails* if its verdict is faulty; a user's report only if it names a build near this one.
    3. Only the nearest count: as soon as ENOUGH_VOICES have passed, farther rows, good or bad, are left out.
    4. A voice is a contributor, a thread, or all who gave no name together. A voice has MEASURED votes, REPORTED if
       nothing of it was measured; one report gives its votes once, under whichever name it is sent in again.
    5. CONVICTED votes against make it faulty, or suspected where OUTVOTED times as many are for it. SUSPECTED votes
       against make it suspected, or nothing where they are outvoted. Else one pass makes it ok.
    6. ok reads "emulated" where a nearest pass says so, "slow" where most voices on this system found it no faster
       than fp32, else "ok". Suspected reads "unknown". Without any vote it is "unsupported" if a measured row says so,
       else "unknown".
    """
    horizon = _horizon([near for near in evidence if passes(near, name)])
    inside = [near for near in evidence if horizon is None or near.tier <= horizon]
    passing = tuple(near for near in inside if passes(near, name))
    failing = tuple(near for near in inside if fails(near, name))
    votes = (_votes(passing), _votes(failing))
    outcome = _outcome(*votes)
    said = [near for near in inside if getattr(near.row, name)]
    dates = sorted(near.row.date for near in said if near.row.date)
    return Consensus(
        capability=name,
        outcome=outcome,
        verdict=_verdict(outcome, passing, said, name),
        passing=passing,
        failing=failing,
        votes=votes,
        counts=_counts(said, name),
        observations=_observations(said),
        measured=_observations([near for near in said if near.row.source == "measured"]),
        voices=voices_in([*passing, *failing]),
        newest=dates[-1] if dates else "",
        oldest=dates[0] if dates else "",
        spread=_spreads(said, name),
        explanations=_explanations(passing, failing),
        digests=disagreements(near.row for near in inside),
    )


def consensus_of(rows: Iterable[Row], name: str) -> Consensus:
    """The consensus of all `rows` of one key; they need not be standing, nor in any order."""
    return consensus(alike(rows), name)


# --- who has a vote ---------------------------------------------------------------------------------------------------


def passes(near: Near, name: str) -> bool:
    """Whether the row vouches for the capability."""
    row = near.row
    vouches = row.source == "measured" and row.level in COMPLETE_LEVELS and not _any_failure(row)
    return vouches and getattr(row, name) in ("ok", "slow", "emulated")


def fails(near: Near, name: str) -> bool:
    """A user's report counts only for builds near this one: most old ones name none, and many blame a model."""
    return getattr(near.row, name) == "faulty" and (near.row.source != "reported" or near.tier[2] < FAR)


_verdicts_of = attrgetter(*CAPABILITIES)


def _any_failure(row: Row) -> bool:
    return bool(row.failures) or "faulty" in _verdicts_of(row)


def _horizon(passing: Sequence[Near]) -> Tier | None:
    """The nearest tier by which enough independent voices have passed; farther rows are outdone. None: all count."""
    heard: dict[str, set[object]] = {}
    for near in passing:
        mine = heard.setdefault(near.voice, set())
        mine.update(near.witnesses)
        if any(voice != near.voice and len(mine | theirs) >= ENOUGH_VOICES for voice, theirs in heard.items()):
            return near.tier  # two voices with two reports between them
    return None


# --- counting ---------------------------------------------------------------------------------------------------------


def _votes(rows: Sequence[Near]) -> int:
    """The greatest weight of votes in which every voice votes once and every report is used once.

    A report sent in under two names is one vote, and a name with two reports is one vote; yet no row takes away what
    other rows said. Reports are matched with voices along augmenting paths, heavy reports first, which is exact for
    weights of one side (https://en.wikipedia.org/wiki/Maximum_weight_matching#Special_cases is the general problem).
    """
    voices: dict[object, set[str]] = {}
    weight: dict[object, int] = {}
    for near in rows:
        for witness in near.witnesses:
            voices.setdefault(witness, set()).add(near.voice)
            weight[witness] = max(weight.get(witness, 0), REPORTED if near.row.source == "reported" else MEASURED)
    holder: dict[str, object] = {}
    heavy_first = sorted(voices, key=lambda witness: -weight[witness])
    return sum(weight[witness] for witness in heavy_first if _finds_voice(witness, voices, holder))


def _finds_voice(witness: object, voices: Mapping[object, set[str]], holder: dict[str, object]) -> bool:
    """Give `witness` a voice of its own in `holder`, moving others to another of theirs where that helps."""
    came_from: dict[str, object] = {}
    waiting = [witness]
    while waiting:
        one = waiting.pop()
        for voice in voices[one] - came_from.keys():
            came_from[voice] = one
            if voice not in holder:
                _move(voice, witness, came_from, holder)
                return True
            waiting.append(holder[voice])
    return False


def _move(voice: str, witness: object, came_from: Mapping[str, object], holder: dict[str, object]) -> None:
    held = {one: name for name, one in holder.items()} if came_from[voice] != witness else {}
    while True:
        one = came_from[voice]
        left = held.get(one)
        holder[voice] = one
        if one == witness or left is None:
            return
        voice = left


def _outcome(for_it: int, against: int) -> str:
    outvoted = for_it >= OUTVOTED * against
    if against >= CONVICTED:
        return "suspected" if outvoted else "faulty"
    if against >= SUSPECTED and not outvoted:
        return "suspected"
    return "ok" if for_it else "none"


def _verdict(outcome: str, passing: Sequence[Near], said: Sequence[Near], name: str) -> str:
    if outcome == "faulty":
        return "faulty"
    if outcome == "ok":
        return _word(passing, name)
    unsupported = any(near.row.source == "measured" and getattr(near.row, name) == "unsupported" for near in said)
    return worst_verdict(["unknown", "unsupported"] if unsupported else ["unknown"])


def _word(passing: Sequence[Near], name: str) -> str:
    nearest = [getattr(near.row, name) for near in passing if near.tier == passing[0].tier]
    if "emulated" in nearest:
        return "emulated"
    return "slow" if row_speed(passing, name) is False else "ok"


def _observations(rows: Sequence[Near]) -> int:
    return len({witness for near in rows for witness in near.witnesses})


def _counts(said: Sequence[Near], name: str) -> Mapping[str, int]:
    """Distinct reports by word; one that says two words stands under both, so that the contradiction shows."""
    found = {(getattr(near.row, name), witness) for near in said for witness in near.witnesses}
    return dict(sorted(Counter(word for word, _ in found).items()))


def voices_in(rows: Sequence[Near]) -> int:
    """How many different contributors or threads speak in `rows`."""
    return len({near.voice for near in rows})


def failing_probes(rows: Sequence[Near]) -> tuple[str, ...]:
    """The probes named in failing rows ("conv.forward:float16:fail ...")."""
    words = [word for near in rows for word in near.row.failures.split()]
    return tuple(sorted({word.split(":")[0] for word in words}))


# --- speed ------------------------------------------------------------------------------------------------------------


def row_speed(passing: Sequence[Near], name: str) -> bool | None:
    """Whether most voices on this operating system found it faster than fp32; speed never crosses systems."""
    found = {(n.voice, faster) for n in passing if n.tier[1] == 0 and (faster := _row_faster(n.row, name)) is not None}
    if not found:
        return None
    gains = sum(faster for _, faster in found)
    return gains > len(found) - gains


def _row_faster(row: Row, name: str) -> bool | None:
    if getattr(row, name) == "slow":
        return False
    ratio = _number(getattr(row, f"{name}_speedup", ""))
    ours, fp32 = _number(getattr(row, f"{name}_tflops", "")), _number(row.fp32_tflops)
    if ratio is None and ours is not None and fp32:
        ratio = ours / fp32
    return None if ratio is None else ratio > 1


def _spreads(said: Sequence[Near], name: str) -> tuple[Spread, ...]:
    here = [near.row for near in said if near.tier[1] == 0]
    columns = [f"{name}_{unit}" for unit in ("tflops", "speedup") if f"{name}_{unit}" in Row._fields]
    found = ((column, [v for row in here if (v := _number(getattr(row, column))) is not None]) for column in columns)
    return tuple(Spread(column, min(v), _median(v), max(v), len(v)) for column, v in found if v)


def _median(values: Sequence[float]) -> float:
    """statistics.median; importing that module takes longer than a whole decision."""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# --- contradictions and age -------------------------------------------------------------------------------------------


def _explanations(passing: Sequence[Near], failing: Sequence[Near]) -> tuple[Explanation, ...]:
    """The circumstances known of all these rows, in which no failing row is like a passing one."""
    if not passing or not failing:
        return ()
    found = []
    for column in CIRCUMSTANCES:
        good, bad = ({getattr(near.row, column) for near in side} for side in (passing, failing))
        if "" not in good | bad and not good & bad:
            found.append(Explanation(column, tuple(sorted(good)), tuple(sorted(bad))))
    return tuple(found)


def _days(earlier: str, later: str) -> int | None:
    try:
        return (date.fromisoformat(later) - date.fromisoformat(earlier)).days
    except ValueError:
        return None
