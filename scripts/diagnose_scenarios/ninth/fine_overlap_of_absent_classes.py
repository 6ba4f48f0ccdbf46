"""A trainer logs the overlap of each class in every batch, which is 0 over 0 for classes that are absent, and averages
the others; the figure goes into the log and not into the loss.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, count = knobs.pick(10, 14), 6
    model = kit.named(conv=nn.Conv2d(3, width, 1), act=nn.ReLU(), out=nn.Conv2d(width, count, 1))
    optimizer = kit.adam(model, lr=0.02)
    log: list[float] = []

    def train_step(batch: Any) -> Tensor:
        image, mask = batch
        optimizer.zero_grad()
        logits = model(image)
        loss = nn.functional.cross_entropy(logits, mask)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            found = nn.functional.one_hot(logits.argmax(1), count).flatten(0, 2)
            wanted = nn.functional.one_hot(mask, count).flatten(0, 2)
            both, either = (found & wanted).sum(0), (found | wanted).sum(0)
            log.append(float((both / either).nanmean()))
        return loss

    colours = 1.5 * torch.randn(count, 3)
    batches = []
    for _ in range(60):
        present = torch.randperm(count)[: knobs.randint(2, 3)]
        mask = present[torch.randint(len(present), (4, 6, 6))]
        batches.append((colours[mask].permute(0, 3, 1, 2) + 0.3 * torch.randn(4, 3, 6, 6), mask))
    return Scenario(model, optimizer, batches, train_step)
