"""What a scenario is: a small training, and what is wrong with it.

A scenario file holds `build(seed, repaired=False) -> Scenario`. The seed changes data, sizes, magnitudes and the
step at which things go wrong, so that no single number identifies a scenario. With `repaired` the same code without its
one mistake is built: that training must learn, and whoever watches it must keep silent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hwcompat.replay.finding import CAUSES, LOSS, PHASES

__all__ = ["CAUSES", "ENDS", "LOSS", "PHASES", "Expected", "Scenario"]

ENDS = ("nonfinite", "stalls", "diverges", "raises")


@dataclass(frozen=True)
class Expected:
    """The right answer. Several causes or phases are given only where two names are equally true.

    `modules`: names that say the place; empty where the cause has no place (a learning rate).
    `step`: the first bad step, counted from 0; None where the damage grows over steps, and then every step up to the
    first non-finite one is right. `ends`: how the run ends with nobody watching, one of ENDS.
    """

    causes: tuple[str, ...]
    phases: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    step: int | None = 0
    ends: str = "nonfinite"

    def __post_init__(self) -> None:
        unknown = [*set(self.causes) - set(CAUSES), *set(self.phases) - set(PHASES), *{self.ends} - set(ENDS)]
        if unknown:
            raise ValueError(f"no such cause, phase or end: {unknown}")


@dataclass(frozen=True)
class Scenario:
    """One training: call `train_step(batch)` for each of `batches` inside `with device():`.

    `device` stands for the machine: a context that alters what operators return, float64 left alone. `learns`: whether
    a healthy run lowers its loss (some rightly do not). `extra_state`: what else a step changes (a scheduler, an EMA).
    """

    model: Any
    optimizer: Any
    batches: Sequence[Any]
    train_step: Callable[[Any], Any]
    expected: Expected | None = None
    scaler: Any = None
    device: Callable[[], Any] = contextlib.nullcontext
    learns: bool = True
    extra_state: tuple[Any, ...] = ()

    @property
    def healthy(self) -> bool:
        return self.expected is None

    @property
    def steps(self) -> int:
        return len(self.batches)
