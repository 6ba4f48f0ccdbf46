"""The sums of a probabilistic circuit mix positive densities with weights drawn from a normal distribution: a negative
mixture has no logarithm, and the start is the only thing to change (april-tools/cirkit issue 279).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sums(nn.Module):
    def __init__(self, inputs: int, outputs: int, positive: bool) -> None:
        super().__init__()
        draw = torch.rand(outputs, inputs) + 0.05 if positive else torch.randn(outputs, inputs)
        self.weight = nn.Parameter(draw / inputs)

    def forward(self, logs: Tensor) -> Tensor:
        top = logs.amax(-1, keepdim=True)
        return ((logs - top).exp() @ self.weight.t()).log() + top


class Circuit(nn.Module):
    def __init__(self, variables: int, units: int, positive: bool) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.randn(variables, units))
        self.sums = Sums(units, units, positive)
        self.root = Sums(units, 1, positive)

    def forward(self, x: Tensor) -> Tensor:
        leaves = -0.5 * (x[..., None] - self.means).square() - 0.919
        return self.root(self.sums(leaves).sum(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Circuit(4, knobs.pick(8, 10), repaired)
    optimizer = torch.optim.SGD(
        [{"params": [model.means], "lr": 0.5}, {"params": [model.sums.weight, model.root.weight], "lr": 1e-4}], lr=0.1
    )
    centres = 4 * torch.randn(2, 4)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = -model(x).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [centres[torch.randint(2, (32,))] + torch.randn(32, 4) for _ in range(60)]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("initialisation",), ("forward",), ("sums", "root"))
    )
