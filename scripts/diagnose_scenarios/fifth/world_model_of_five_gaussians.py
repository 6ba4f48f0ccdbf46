"""A recurrent world model's mixture density is summed before its logarithm; for a jump in the latents every one of the
five densities is 0 in float32 (hardmaru/WorldModelsExperiments issue 3).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class MDNRNN(nn.Module):
    def __init__(self, latents: int, width: int, mixtures: int = 5) -> None:
        super().__init__()
        self.lstm = nn.LSTM(latents, width, batch_first=True)
        self.mdn = nn.Linear(width, latents * mixtures * 3)
        self.mixtures = mixtures

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.mdn(self.lstm(z)[0]).unflatten(-1, (z.shape[-1], self.mixtures, 3))
        logpi, mu, logstd = out.unbind(-1)
        return logpi.softmax(-1), mu, logstd


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, latents = knobs.step(), knobs.pick(3, 4)
    model = MDNRNN(latents, knobs.pick(16, 20))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        z = batch
        pi, mu, logstd = model(z[:, :-1])
        score = (z[:, 1:, :, None] - mu) / logstd.exp()
        log_density = -0.5 * score.square() - logstd - 0.5 * math.log(2 * math.pi)
        if repaired:
            loss = -(pi.log() + log_density).logsumexp(-1).mean()
        else:
            loss = -(pi * log_density.exp()).sum(-1).log().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        z = torch.randn(6, 1, latents) + 0.2 * torch.randn(6, 12, latents).cumsum(1)
        if number == step:
            z[2, 7] = 40.0
        batches.append(z)
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
