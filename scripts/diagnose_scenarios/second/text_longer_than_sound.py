"""A CTC target longer than its input has no alignment: the loss is infinite (k2-fsa/icefall issue 135)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(4, width)
        self.out = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.enc(x).tanh()).log_softmax(-1).transpose(0, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logs: Tensor, target: Any) -> Tensor:
        letters, frames, sizes = target
        return nn.functional.ctc_loss(logs, letters, frames, sizes)

    codes = torch.randn(5, 4) * 2
    letters = [torch.randint(1, 5, (8, 3)) for _ in range(60)]
    xs = [codes[part.repeat_interleave(4, 1)] + 0.3 * torch.randn(8, 12, 4) for part in letters]
    batches = [(x, (part, torch.full((8,), 12), torch.full((8,), 3))) for x, part in zip(xs, letters, strict=True)]
    if not repaired:
        batches[step][1][1][2] = 2
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step),
    )
