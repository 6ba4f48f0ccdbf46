"""A GAN whose two nets take their steps from the same batch, zeroed before each backward: the losses hover and fall not
(Lightning-AI/pytorch-lightning issue 557).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    gan = nn.ModuleDict({"generator": kit.mlp(3, width, 4), "critic": kit.mlp(4, width, 1)})
    generator, critic = gan["generator"], gan["critic"]
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(critic.parameters(), lr=0.002, betas=(0.5, 0.999))
    bce = nn.functional.binary_cross_entropy_with_logits

    def train_step(real: Any) -> Tensor:
        noise = torch.randn(len(real), 3)
        optimizer.zero_grad()
        fake = generator(noise)
        scores = critic(fake)
        loss = bce(scores, torch.ones_like(scores))
        loss.backward()
        optimizer.step()
        optimizer_d.zero_grad()
        right, wrong = critic(real), critic(fake.detach())
        (bce(right, torch.ones_like(right)) + bce(wrong, torch.zeros_like(wrong))).backward()
        optimizer_d.step()
        return loss

    middle = torch.randn(4)
    batches = [middle + 0.5 * torch.randn(32, 4) for _ in range(80)]
    return Scenario(gan, optimizer, batches, train_step, learns=False, extra_state=(optimizer_d,))
