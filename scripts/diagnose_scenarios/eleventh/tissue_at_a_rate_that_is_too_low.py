"""The heads on top of frozen features of tissue are evaluated at a rate so low that some of them never converge; at a
rate twenty times as high they do (kaiko-ai/eva pull request 722).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, kinds = knobs.pick(12, 16), knobs.pick(3, 4)
    model = kit.named(
        encoder=nn.Conv2d(3, width, 2, stride=2),
        act=nn.GELU(),
        decoder=nn.ConvTranspose2d(width, width, 2, stride=2),
        act2=nn.GELU(),
        classifier=nn.Conv2d(width, kinds, 1),
    )
    model.encoder.requires_grad_(False)
    rate = 0.02 if repaired else knobs.pick(1e-6, 4e-6)
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01)

    def train_step(batch: Any) -> Tensor:
        slide, mask = batch
        logits = model(slide)
        loss = nn.functional.cross_entropy(logits, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    stain = torch.randn(kinds, 3)
    batches = []
    for _ in range(60):
        mask = torch.randint(kinds, (8, 5, 5)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        batches.append((stain[mask].movedim(-1, 1) + 0.2 * torch.randn(8, 3, 10, 10), mask))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "stalls"))
