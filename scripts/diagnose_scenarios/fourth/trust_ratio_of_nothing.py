"""The user's layer-wise optimizer divides a weight's length by its gradient's, with an eps of 0; in one batch a head
has no gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Layerwise(torch.optim.Optimizer):
    """Every matrix moves by a share of its own length; vectors by plain gradient descent."""

    def __init__(self, parameters: Any, lr: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                trust = weight.norm() / (weight.grad.norm() + group["eps"]) if weight.dim() > 1 else 1.0
                weight.sub_(group["lr"] * trust * weight.grad)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(8, width)
        self.main = nn.Linear(width, 1)
        self.aux = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).tanh()
        return self.main(h), self.aux(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(12, 16))
    optimizer = Layerwise(model.parameters(), lr=0.03, eps=1e-8 if repaired else 0.0)

    def loss_of(outputs: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        (main, aux), (y, known) = outputs, target
        return kit.squares(main, y) + ((aux - y.abs()).square() * known).mean()

    batches = []
    for number, (x, y) in enumerate(kit.regression(60, 32, 8)):
        known = torch.zeros(32, 1) if number == step else (torch.rand(32, 1) < 0.5).float()
        batches.append((x, (y, known)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, loss_of),
        Expected(("optimizer-eps",), ("optimizer",), ("aux",), step),
    )
