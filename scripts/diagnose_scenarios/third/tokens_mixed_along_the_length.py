"""A mixer layer along a sequence that begins high and ends low: the result is small, float16 partial sums are not."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixer(nn.Module):
    def __init__(self, length: int, slots: int) -> None:
        super().__init__()
        self.along = nn.Linear(length, slots)

    def forward(self, x: Tensor) -> Tensor:
        return self.along(x.transpose(1, 2))


class Net(nn.Module):
    def __init__(self, length: int, width: int, slots: int) -> None:
        super().__init__()
        self.mixer = Mixer(length, slots)
        self.norm = nn.LayerNorm(slots)
        self.head = nn.Linear(slots * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.mixer(x)).flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, width, slots, level = knobs.pick(512, 640), 3, 6, knobs.pick(8.0, 9.0)
    model = Net(length, width, slots)
    half = length // 2
    with torch.no_grad():
        model.mixer.along.weight.copy_((40 + torch.randn(slots, half)).repeat(1, 2))
    rest = [*model.norm.parameters(), *model.head.parameters()]
    optimizer = torch.optim.Adam([{"params": rest}, {"params": model.mixer.parameters(), "lr": 1e-5}], lr=0.02)
    ramp = torch.cat([torch.full((half,), level), torch.full((half,), -level)])[None, :, None]
    patterns = 0.5 * torch.randn(3, length, width)
    labels = [torch.randint(3, (8,)) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(ramp + patterns[y] + 0.1 * torch.randn(8, length, width), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("mixer.along",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(32, 64)),
    )
