"""Magnitudes are compressed by a power below one; a silent frame's magnitude is zero, its slope infinite."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Compress(nn.Module):
    def __init__(self, power: float, floor: float) -> None:
        super().__init__()
        self.power, self.floor = power, floor

    def forward(self, x: Tensor) -> Tensor:
        return x.sign() * (x.abs() + self.floor) ** self.power


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        bank=nn.Linear(10, width, bias=False),
        compress=Compress(knobs.pick(0.3, 0.33), 1e-4 if repaired else 0.0),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    batches = kit.classes(60, 16, 10, 3)
    batches[step][0][knobs.randint(0, 15)] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("singular-gradient",), ("backward",), ("compress",), step),
    )
