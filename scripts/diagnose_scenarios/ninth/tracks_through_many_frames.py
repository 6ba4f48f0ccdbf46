"""A tracker carries the embedding of each object from frame to frame and learns through all of them; the gradients
grow with every frame, and the maintainers point at the clipping of their own configuration (SysCV/qdtrack issue 87).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tracker(nn.Module):
    def __init__(self, width: int, growth: float) -> None:
        super().__init__()
        self.see = nn.Linear(6, width)
        self.carry = nn.Linear(width, width, bias=False)
        self.embed = nn.Linear(width, 2)
        with torch.no_grad():
            self.carry.weight.copy_(growth * torch.linalg.qr(torch.randn(width, width))[0])
            self.see.weight.mul_(0.1)

    def forward(self, frames: Tensor) -> Tensor:
        state = frames.new_zeros(frames.shape[0], self.carry.in_features)
        for frame in frames.unbind(1):
            state = nn.functional.leaky_relu(self.carry(state) + self.see(frame), 0.8)
        return self.embed(state)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Tracker(knobs.pick(12, 16), knobs.pick(1.2, 1.22))
    optimizer = kit.sgd(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        frames, place = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(frames), place)
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.sequences(60, 16, 40, 6, 2),
        train_step,
        Expected(("exploding-gradients",), (), (), None),
    )
