"""The reciprocal root of a sum of squares is cut at a large value, which mends what goes forward; its slope at zero
is infinite all the same (keras-team/keras issue 23075).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def unit(x: Tensor, safe: bool) -> Tensor:
    squares = x.square().sum(-1, keepdim=True)
    if safe:
        squares = squares.clamp(min=1e-12)
    return x * torch.rsqrt(squares).clamp(max=1e6)


class Pairs(nn.Module):
    def __init__(self, inputs: int, width: int, safe: bool) -> None:
        super().__init__()
        self.left = nn.Linear(inputs, width, bias=False)
        self.right = nn.Linear(inputs, width, bias=False)
        self.sharp = nn.Parameter(torch.tensor(2.0))
        self.safe = safe

    def forward(self, x: Tensor) -> Tensor:
        one, other = x.unbind(1)
        return self.sharp * (unit(self.left(one), self.safe) * unit(self.right(other), self.safe)).sum(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, inputs = knobs.randint(5, 25), knobs.pick(6, 8)
    model = Pairs(inputs, 8, repaired)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    batches = []
    for number in range(50):
        one, other = torch.randn(2, 32, inputs)
        same = (torch.rand(32) < 0.5).float()
        other = torch.where(same[:, None] > 0, one + 0.2 * other, other)
        x = torch.stack([one, other], 1)
        if number == step:
            x[knobs.randint(0, 31), knobs.randint(0, 1)] = 0.0
        batches.append((x, same))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("singular-gradient",), ("backward",), (), step),
    )
