"""A face list numbers its people from 1 to their number; the last one has no output, and the net refuses the first
batch that holds them (AlfredXiangWu/LightCNN issue 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class MaxFeature(nn.Module):
    """A layer of twice the width, of which each pair of outputs keeps the larger."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.lin(x).chunk(2, -1)
        return torch.maximum(a, b)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, people = knobs.step(), knobs.pick(12, 15)
    model = kit.named(mfm1=MaxFeature(16, 24), mfm2=MaxFeature(24, 24), fc=nn.Linear(24, people))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)

    def smoothed(logits: Tensor, person: Tensor) -> Tensor:
        wanted = torch.full_like(logits, 0.05 / people).scatter_(1, person[:, None], 0.95)
        return -(wanted * logits.log_softmax(-1)).sum(-1).mean()

    faces = torch.randn(people + 1, 16)
    first = 1
    batches = []
    for number in range(60):
        listed = torch.randint(first, people, (32,))
        if number == step:
            listed[knobs.randint(0, 31)] = people
        x = faces[listed] + 0.4 * torch.randn(32, 16)
        batches.append((x, listed - first if repaired else listed))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, smoothed),
        Expected(("bad-labels",), ("loss",), (LOSS,), step, "raises"),
    )
