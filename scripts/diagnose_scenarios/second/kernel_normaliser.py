"""Random-feature attention divides by a sum of exp(-|x|^2 / 2) that is 0 in float16 (xformers issue 96)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Favor(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.qk = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        q, v = self.qk(x), self.v(x)
        q = q.float() if self.wide else q
        weight = torch.exp(-q.square().sum(-1, keepdim=True) / 2)
        return weight * v / weight.sum(1, keepdim=True)


class Net(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.favor = Favor(width, wide)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x.mean(1) + self.favor(x).sum(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = Net(width, repaired)
    with torch.no_grad():
        model.favor.qk.weight.mul_(0.2)
        model.favor.qk.bias.fill_(knobs.pick(2.2, 2.5))
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.sequences(80, 16, 5, width),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("favor",)),
    )
