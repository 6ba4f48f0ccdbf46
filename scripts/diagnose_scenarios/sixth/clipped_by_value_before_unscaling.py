"""Semi-supervised training clips each gradient's value while it still carries the loss scale: every step is 65536
times too short (TorchSSL/TorchSSL pull request 59).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(1, 8, 3), act=nn.LeakyReLU(0.1), flat=nn.Flatten(), fc=nn.Linear(128, 3))
    optimizer = kit.sgd(model, lr=0.03, momentum=0.9, nesterov=True)
    scaler = kit.new_scaler()
    limit = knobs.pick(0.5, 1.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        weak, strong = x + 0.05 * torch.randn_like(x), x + 0.3 * torch.randn_like(x)
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits, weak_logits, strong_logits = model(torch.cat([x, weak, strong])).chunk(3)
        sure, guess = weak_logits.detach().float().softmax(-1).max(-1)
        unsupervised = nn.functional.cross_entropy(strong_logits.float(), guess, reduction="none") * (sure > 0.95)
        loss = kit.cross_entropy(logits, y) + unsupervised.mean()
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_value_(model.parameters(), limit)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 6, 3),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
