"""Noise is added and gradients are clipped while they are still multiplied by the loss scale; what is left of them
after the division is next to nothing (rwth-i6/returnn pull request 1595).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = nn.Sequential(nn.Conv1d(4, width, 3, padding=1), nn.SiLU(), nn.Conv1d(width, 4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    scaler = kit.new_scaler(2.0 ** knobs.pick(14, 15))
    noise = torch.Generator().manual_seed(seed)

    def train_step(batch: Any) -> Tensor:
        sound, phone = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            logits = model(sound)
        loss = kit.cross_entropy(logits, phone)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        for weight in model.parameters():
            weight.grad.add_(torch.randn(weight.shape, generator=noise), alpha=1e-3)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        return loss

    sounds = torch.randn(4, 4)
    batches = []
    for _ in range(50):
        phone = torch.randint(4, (8, 10))
        batches.append((sounds[phone].mT + 0.2 * torch.randn(8, 4, 10), phone))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("scaler-misuse",), (), (), 0, "stalls"), scaler=scaler
    )
