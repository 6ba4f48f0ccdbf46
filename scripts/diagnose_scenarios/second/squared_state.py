"""A state equation that adds its own square blows up in finite time for large inputs."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Flow(nn.Module):
    def __init__(self, width: int, steps: int, growth: float) -> None:
        super().__init__()
        self.field = nn.Linear(width, width)
        self.steps, self.growth = steps, growth

    def forward(self, h: Tensor) -> Tensor:
        for _ in range(self.steps):
            h = h + self.growth * h.abs() * h + 0.1 * self.field(h).tanh()
        return h


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        enc=nn.Linear(5, width), flow=Flow(width, 30, -0.02 if repaired else 1.0), out=nn.Linear(width, 1)
    )
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 5),
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("exploding-gradients",), ("forward",), ("flow", "flow.field")),
    )
