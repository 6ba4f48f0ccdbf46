"""Gradients are clipped before they are unscaled, so that every step is thousands of times too short (as in
milesial/Pytorch-UNet issue 468).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        inc=nn.Conv2d(1, width, 3, padding=1),
        relu=nn.ReLU(),
        mid=nn.Conv2d(width, width, 3, padding=1),
        relu2=nn.ReLU(),
        outc=nn.Conv2d(width, 1, 1),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = kit.new_scaler(2.0 ** knobs.pick(13, 15))

    def train_step(batch: Any) -> Tensor:
        images, masks = batch
        with kit.autocast(torch.float16):
            predicted = model(images)
        loss = nn.functional.binary_cross_entropy_with_logits(predicted.float(), masks)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    xs = [torch.randn(8, 1, 10, 10) for _ in range(60)]
    batches = [(x, (nn.functional.avg_pool2d(x, 3, 1, 1) > 0).float()) for x in xs]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("scaler-misuse",), (), (), None, "stalls"), scaler=scaler
    )
