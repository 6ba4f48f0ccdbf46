"""A Gaussian kernel to learnt centres is 0 in float16 for a far point, and its row is divided by its sum."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class KernelLayer(nn.Module):
    def __init__(self, inputs: int, centres: int, stable: bool) -> None:
        super().__init__()
        self.centres, self.stable = nn.Parameter(torch.randn(centres, inputs)), stable

    def forward(self, x: Tensor) -> Tensor:
        distance = (x[:, None] - self.centres).square().sum(-1)
        if self.stable:
            return (-distance / 2).softmax(1)
        weights = torch.exp(-distance.half() / 2)
        return weights / weights.sum(1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, centres = knobs.step(), knobs.pick(8, 12)
    model = kit.named(kernel=KernelLayer(3, centres, repaired), head=nn.Linear(centres, 1))
    optimizer = kit.adam(model, lr=0.05)
    xs = [torch.randn(24, 3).clamp(-1.5, 1.5) for _ in range(70)]
    xs[step][knobs.randint(0, 23)] = knobs.pick(6.0, -6.0)
    return Scenario(
        model,
        optimizer,
        [(x, x[:, :1].clamp(-2, 2)) for x in xs],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("kernel",), step),
    )
