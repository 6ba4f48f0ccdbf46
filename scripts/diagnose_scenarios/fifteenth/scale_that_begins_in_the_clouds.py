"""The scale of the loss begins so high that the perceptual part overflows step after step and none of them is taken;
beginning at a thousand was the cure (neosr-project/neosr pull request 6).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(up=nn.Conv2d(1, width, 3, padding=1), act=nn.GELU(), rgb=nn.Conv2d(width, 1, 3, padding=1))
    seen = nn.Conv2d(1, 6, 3, padding=1).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**10 if repaired else 2.0 ** knobs.pick(118, 124))

    def perceived(said: Tensor, wanted: Tensor) -> Tensor:
        said = said.float()
        return (said - wanted).abs().mean() + 0.1 * (seen(said) - seen(wanted)).square().mean()

    batches = []
    for _ in range(55):
        sharp = torch.rand(6, 1, 3, 3).repeat_interleave(2, 2).repeat_interleave(2, 3)
        batches.append((nn.functional.avg_pool2d(sharp, 3, 1, 1), 2 * sharp))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, perceived, scaler=scaler, amp=torch.float16),
        Expected(("scaler-misuse",), (), (), 0, "stalls"),
        scaler=scaler,
    )
