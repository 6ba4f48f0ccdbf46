"""Judges verdicts: detected, cause, place, first bad step, false alarms, and a machine blamed wrongly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .scenario import LOSS, Expected
from .tools import Verdict

MACHINE = ("hardware", "library", "compiler")


@dataclass(frozen=True)
class Score:
    """None where a question does not arise: a learning rate has no place, a healthy training no cause."""

    detected: bool | None = None
    cause: bool | None = None
    place: bool | None = None
    step: bool | None = None
    phase: bool | None = None
    false_alarm: bool | None = None
    machine_blamed: bool = False


def judge(expected: Expected | None, verdict: Verdict, until: int) -> Score:
    """`until`: the last step that can be called the first bad one where the damage grows slowly."""
    blamed = verdict.cause in MACHINE
    if expected is None:
        return Score(false_alarm=verdict.detected, machine_blamed=blamed)
    return Score(
        detected=verdict.detected,
        cause=verdict.cause in expected.causes,
        place=verdict.detected and place(verdict.module) in expected.modules if expected.modules else None,
        step=step_is_right(expected.step, verdict.step, until),
        phase=verdict.phase in expected.phases if expected.phases else None,
        machine_blamed=blamed and verdict.cause not in expected.causes,
    )


def place(module: str | None) -> str:
    """One spelling for a place: what is in no module is in the loss; compiled models prefix their names."""
    return (module or LOSS).removeprefix("_orig_mod.")


def step_is_right(expected: int | None, found: int | None, until: int) -> bool:
    if found is None:
        return False
    return found == expected if expected is not None else 0 <= found <= until


def wilson(hits: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if not total:
        return 0.0, 1.0
    share, weight = hits / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def count(answers: Iterable[bool | None]) -> tuple[int, int]:
    """How many were true, of those that had an answer."""
    given = [answer for answer in answers if answer is not None]
    return sum(given), len(given)
