"""x ** 0.5 of a count of 0 inside a layer: the slope at 0 is infinite."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Root(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return (x * x + self.eps) ** 0.5


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        inp=nn.Linear(6, width, bias=False), root=Root(1e-6 if repaired else 0.0), head=nn.Linear(width, 1)
    )
    optimizer = kit.sgd(model, lr=0.03)
    batches = [(x, x.abs().mean(1, keepdim=True)) for x, _ in kit.regression(60, 16, 6)]
    x, y = (part.clone() for part in batches[step])
    x[knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("root",), step),
    )
