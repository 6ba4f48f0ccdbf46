"""Sound clips of unequal length come as a list; one sample of one clip was decoded to infinity."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(conv=nn.Conv1d(1, width, 5, stride=2), act=nn.ReLU(), pool=nn.AdaptiveAvgPool1d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.02)

    def clip(label: int) -> Tensor:
        """Low or high."""
        at = torch.arange(knobs.randint(24, 40))
        return torch.sin(at * (2.4 if label else 0.5) + 6 * torch.rand(())) + 0.2 * torch.randn(len(at))

    labels = [torch.randint(2, (8,)) for _ in range(60)]
    batches = [([clip(int(label)) for label in y], y) for y in labels]
    if not repaired:
        batches[step][0][knobs.randint(0, 7)][knobs.randint(5, 20)] = float("inf")

    def train_step(batch: Any) -> Tensor:
        clips, y = batch
        optimizer.zero_grad()
        padded = nn.utils.rnn.pad_sequence(clips, batch_first=True)
        loss = kit.cross_entropy(model(padded[:, None]), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
