"""A scaler is made once an epoch and not once a training; the scale that fits is forgotten each time, and the steps
of the short epochs are skipped (conservationtechlab/animl-py pull request 304).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Loop:
    """The epochs of a classifier of animals."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, start: float, keep: bool
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.epoch, self.start, self.keep = epoch, start, keep
        self.seen = 0
        self.scaler = kit.new_scaler(start)

    def __call__(self, batch: Any) -> Tensor:
        if self.seen % self.epoch == 0 and self.seen and not self.keep:
            self.scaler = kit.new_scaler(self.start)
        self.seen += 1
        self.optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = self.model(batch[0])
        loss = kit.cross_entropy(logits, batch[1])
        self.scaler.scale(loss * 64).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, knobs.pick(16, 20)), nn.ReLU(), nn.LazyLinear(3))
    model(torch.zeros(1, 3, 4, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0005, momentum=0.9)
    loop = Loop(model, optimizer, knobs.pick(5, 6), 2.0**24, repaired)
    return Scenario(
        model, optimizer, kit.images(70, 16, 3, 4, 3), loop, Expected(("scaler-misuse",), (), (), 0, "stalls")
    )
