"""A sample in the batch consists of padding alone, and attention has no key left for it (as described in
pytorch/pytorch pull request 131060 and the issues it names).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, padded: Tensor) -> Tensor:
        return self.norm(x + self.mha(x, x, x, key_padding_mask=padded)[0])


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        self.fc = nn.Linear(width, 1)

    def forward(self, x: Tensor, padded: Tensor) -> Tensor:
        return self.fc(self.encoder(x, padded).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Net(width)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, padded, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x, padded), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.sequences(70, 8, 6, width)):
        padded = torch.zeros(8, 6, dtype=torch.bool)
        padded[3, 4:] = True
        if number == step:
            padded[5] = True
            padded[5, 0] = not repaired
        batches.append((x, padded, y))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("masked-softmax",), ("forward",), ("encoder.mha", "encoder"), step),
    )
