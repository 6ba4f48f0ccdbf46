"""The memory of a small world is a mixture of bells whose densities are added without taking out the largest; a move
that no bell expects has a density of zero (ctallec/world-models issue 35).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Memory(nn.Module):
    def __init__(self, inputs: int, width: int, bells: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(inputs, width, batch_first=True)
        self.gmm = nn.Linear(width, 3 * bells)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mus, logsigmas, logits = self.gmm(self.rnn(x)[0]).chunk(3, -1)
        return mus, logsigmas.exp(), logits.log_softmax(-1)


def gmm_loss(target: Tensor, mus: Tensor, sigmas: Tensor, logpi: Tensor, shift: bool) -> Tensor:
    parts = logpi + torch.distributions.Normal(mus, sigmas).log_prob(target[..., None])
    if shift:
        return -torch.logsumexp(parts, -1).mean()
    return -parts.exp().sum(-1).log().mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(8, 28)
    model = Memory(3, knobs.pick(16, 20), 4)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003, alpha=0.9)

    def train_step(batch: Any) -> Tensor:
        x, target = batch
        loss = gmm_loss(target, *model(x), repaired)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    teacher = torch.randn(3)
    batches = []
    for number in range(60):
        x = torch.randn(8, 6, 3)
        target = 3 + x @ teacher + 0.1 * torch.randn(8, 6)
        if number == step:
            target[knobs.randint(0, 7), 4] += knobs.pick(60.0, 90.0)
        batches.append((x, target))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
