"""A loop drops every step whose gradient is longer than 50, and measures the gradient before it is unscaled: no step
is ever taken (k2-fsa/icefall pull request 2081).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lips(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.front = nn.Conv1d(inputs, width, 3, padding=1)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.gru(self.front(x.transpose(1, 2)).relu().transpose(1, 2))[0].mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Lips(5, knobs.pick(12, 16), 3)
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = model(x)
        loss = kit.cross_entropy(logits, y)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        length = nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        if length < 50:
            scaler.step(optimizer)
            scaler.update()
        return loss

    mouths = torch.randn(3, 6, 5)
    labels = [torch.randint(3, (16,)) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(mouths[y] + 0.5 * torch.randn(16, 6, 5), y) for y in labels],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
