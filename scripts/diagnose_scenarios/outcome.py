"""How a training ends with nobody watching: the check that scenarios are what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from .scenario import Scenario

LEARNT = 0.8
"""A run has learnt when its last losses are below this part of its first three."""
GROWN = 3.0
"""A run diverges when its last losses are above so many times its very first one."""


@dataclass(frozen=True)
class Outcome:
    """Losses until the end; the first step with a non-finite loss or weight; the step that raised."""

    losses: tuple[float, ...]
    first_bad: int | None = None
    raised: int | None = None

    @property
    def last(self) -> float:
        """Mean of the last fifth of the losses."""
        last = self.losses[-max(3, len(self.losses) // 5) :]
        return sum(last) / len(last)

    @property
    def end(self) -> str:
        """One of scenario.ENDS, or `learns`."""
        if self.first_bad is not None:
            return "nonfinite"
        if self.raised is not None:
            return "raises"
        if self.last > GROWN * max(abs(self.losses[0]), 1e-12):
            return "diverges"
        return "learns" if self.last < LEARNT * sum(self.losses[:3]) / 3 else "stalls"


def number(loss: Any) -> float:
    """The loss that a train_step returned; a dict of losses is summed."""
    return sum(number(part) for part in loss.values()) if isinstance(loss, dict) else float(loss.detach())


def finite(model: Any) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def run(scenario: Scenario) -> Outcome:
    """Train to the end, or to the first step that raises."""
    losses: list[float] = []
    first_bad = None
    with scenario.device():
        for step, batch in enumerate(scenario.batches):
            try:
                losses.append(number(scenario.train_step(batch)))
            except (RuntimeError, ValueError):
                return Outcome(tuple(losses), first_bad, raised=step)
            if first_bad is None and not (math.isfinite(losses[-1]) and finite(scenario.model)):
                first_bad = step
    return Outcome(tuple(losses), first_bad)


def complaint(scenario: Scenario, outcome: Outcome) -> str:
    """What is not as the scenario says; empty where everything is."""
    expected = scenario.expected
    if expected is None:
        fine = outcome.end == "learns" or (not scenario.learns and outcome.end in ("stalls", "diverges"))
        return "" if fine else f"healthy, but {outcome.end} ({outcome.losses[:3]} ... {outcome.losses[-3:]})"
    if outcome.end != expected.ends:
        return f"ends with {outcome.end}, not {expected.ends} ({outcome.losses[:3]} ... {outcome.losses[-3:]})"
    seen = outcome.raised if expected.ends == "raises" else outcome.first_bad
    if expected.step is not None and seen is not None and seen != expected.step:
        return f"first bad step is {seen}, not {expected.step}"
    return ""
