"""The cross entropy of sample shares takes the logarithm of a softmax; for one contig the net is so sure that a share
is exactly 0, while a trace of it was counted (RasmussenLab/vamb issue 12).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Shares(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.enc, self.mu, self.dec = nn.Linear(inputs, width), nn.Linear(width, 6), nn.Linear(6, width)
        self.out = nn.Linear(width, inputs)

    def forward(self, x: Tensor) -> Tensor:
        z = self.mu(nn.functional.leaky_relu(self.enc(x)))
        return self.out(nn.functional.leaky_relu(self.dec(z)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, samples = knobs.step(), knobs.pick(5, 6)
    model = Shares(samples, 24)
    optimizer = kit.adam(model, lr=0.005)
    temperature = 60.0

    def criterion(logits: Tensor, shares: Tensor) -> Tensor:
        p = (temperature * logits).softmax(-1)
        return -((p + (1e-9 if repaired else 0.0)).log() * shares).sum(1).mean()

    batches = []
    for number in range(80):
        depth = torch.rand(32, samples) ** 2 + 0.02
        if number == step:
            depth[knobs.randint(0, 31), 0] = 500.0
        batches.append((depth, depth / depth.sum(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
