"""A Dice loss sums probabilities over all pixels of large masks in float16, which ends at 65504: infinite over
infinite (qubvel-org/segmentation_models.pytorch issue 463).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        enc=nn.Conv2d(1, 6, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(6, 1, 1), up=nn.Upsample(scale_factor=12)
    )
    optimizer = kit.adam(model, lr=0.02)
    scaler = kit.new_scaler(2.0**8)

    def dice(logits: Tensor, target: Tensor) -> Tensor:
        if repaired:
            logits = logits.float()
        share = logits.sigmoid()
        target = target.to(share.dtype)
        both = (share * target).sum()
        return 1 - 2 * both / (share.sum() + target.sum())

    batches = []
    for _ in range(20):
        x = torch.randn(8, 1, 12, 12) + knobs.pick(1.5, 1.7)
        batches.append((x, (x > 0).float().repeat_interleave(12, 2).repeat_interleave(12, 3)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, dice, scaler=scaler, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
        scaler=scaler,
    )
