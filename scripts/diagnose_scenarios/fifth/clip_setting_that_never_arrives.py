"""A configuration asks for gradient clipping, the value never reaches the trainer, and a recurrent net over long sound
explodes (chentuochao/Sound_Bubble issue 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Separator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, width)
        self.rnn = nn.RNN(width, width, nonlinearity="relu", batch_first=True)
        self.mask = nn.Linear(width, 1)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(torch.eye(width) + 0.005 * torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.mask(self.rnn(self.encoder(x))[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    config = {"lr": 0.01, "momentum": 0.9, "grad_clip": 1.0 if repaired else None}
    model = Separator(knobs.pick(16, 20))
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=config["momentum"])
    length = knobs.pick(90, 100)

    def train_step(batch: Any) -> Tensor:
        mixture, voice = batch
        optimizer.zero_grad()
        loss = kit.squares(model(mixture), voice)
        loss.backward()
        if config["grad_clip"]:
            nn.utils.clip_grad_norm_(model.parameters(), config["grad_clip"])
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.randn(6, length, 2)
        batches.append((x, x[..., :1] - 0.5 * x[..., 1:]))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
