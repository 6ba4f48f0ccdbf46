"""The fastest correct build of those that were measured, and why. Pure.

Correct is a build in which no capability is faulty; where every build has a fault, one that at least computes fp32
rightly. Its speed is its fastest training step in a precision that is correct there. Times whose quartiles overlap are
equal; then the build that is there already wins, then fewer failed checks, then the newer one. A time that was taken
while other programs or heat held the machine back decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hwcompat.gates import tag_key
from hwcompat.tablerows import version_key

from .ledger import Outcome, Step

RIGHT = ("ok", "slow", "emulated")
"""Verdicts that say: the values are correct."""
_UNDECIDED = ("busy", "throttled")


class Choice(NamedTuple):
    """`best` is None where no build may be recommended; `because` says why, or why not."""

    best: Outcome | None
    because: str


class Timed(NamedTuple):
    outcome: Outcome
    name: str  # "amp_fp16 channels_last"
    step: Step


def choose(outcomes: Sequence[Outcome]) -> Choice:
    """The build to use. The order of `outcomes` does not matter."""
    measured = [each for each in outcomes if each.outcome == "measured"]
    usable = [each for each in measured if each.verdicts.get("fp32") in RIGHT]
    if not usable:
        return Choice(None, _why_none(outcomes, measured))
    sound = [each for each in usable if not faulty(each)]
    pool = sound or usable
    timed = [time for each in pool if (time := fastest(each)) and each.batch == _common_batch(pool)]
    if not timed:
        best = max(pool, key=_preference)
        return Choice(best, f"{_rightness(best)}; {_why_untimed(pool)}{_preferred(best, pool)}")
    first = min(timed, key=_seconds)
    equal = [each for each in timed if each.step.low <= first.step.high]
    mine = max(equal, key=lambda each: _preference(each.outcome))
    slower = [each for each in timed if each not in equal]
    return Choice(mine.outcome, f"{_rightness(mine.outcome)}, and {_speed(mine, equal, slower)}")


def _seconds(timed: Timed) -> float:
    return timed.step.seconds


def faulty(outcome: Outcome) -> list[str]:
    return [name for name, verdict in outcome.verdicts.items() if verdict == "faulty"]


def fastest(outcome: Outcome) -> Timed | None:
    """Its fastest step in a precision that is correct there; None where no time decides."""
    usable = [
        Timed(outcome, name, step)
        for name, step in outcome.steps.items()
        if outcome.verdicts.get(name.split(" ")[0]) in RIGHT and not is_undecided(step)
    ]
    return min(usable, key=_seconds, default=None)


def is_undecided(step: Step) -> bool:
    return any(word in step.note for word in _UNDECIDED)


def _common_batch(pool: Sequence[Outcome]) -> int:
    return Counter(each.batch for each in pool if each.steps).most_common(1)[0][0] if any(e.steps for e in pool) else 0


def _preference(outcome: Outcome) -> tuple[object, ...]:
    version, _, tag = outcome.build.partition("+")
    return outcome.installed, -len(outcome.failures), version_key(version), tag_key(tag), outcome.python


# --- in words ---------------------------------------------------------------------------------------------------------


def _why_none(outcomes: Sequence[Outcome], measured: Sequence[Outcome]) -> str:
    if measured:
        return f"fp32 is not known to be right in any of the {len(measured)} builds measured: do not train on this card"
    return f"none of {len(outcomes)} builds could be measured"


def _rightness(best: Outcome) -> str:
    wrong = faulty(best)
    if wrong:
        return f"correct in fp32 (no build is correct in everything; here {', '.join(wrong)} are faulty)"
    return "correct" if not best.failures else f"correct but for {len(best.failures)} checks that are cautions"


def _speed(mine: Timed, equal: Sequence[Timed], slower: Sequence[Timed]) -> str:
    told = f"its {mine.name} step takes {milliseconds(mine.step)}"
    if len(equal) > 1:
        names = ", ".join(each.outcome.build for each in equal if each is not mine)
        why = _preferred(mine.outcome, [each.outcome for each in equal])
        return f"{told}, the fastest together with {names} (no difference beyond the spread){why}"
    if slower:
        second = min(slower, key=_seconds)
        gain = second.step.seconds / mine.step.seconds
        told += f", the fastest: {gain:.2f}x the speed of {second.outcome.build} ({milliseconds(second.step)})"
    return told


def _preferred(best: Outcome, others: Sequence[Outcome]) -> str:
    if len(others) < 2:
        return ""
    if best.installed:
        return "; it is installed already"
    fewest = min(len(each.failures) for each in others)
    if any(len(each.failures) > fewest for each in others):
        return "; fewest failed checks, then newest"
    return "; the newest of them"


def _why_untimed(pool: Sequence[Outcome]) -> str:
    if any(is_undecided(step) for each in pool for step in each.steps.values()):
        return "no step time decides: other programs or heat held the machine back (close them, then --fresh)"
    return "no training step could be timed"


def milliseconds(step: Step) -> str:
    return f"{step.seconds * 1e3:.3g} ms"
