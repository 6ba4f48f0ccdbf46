"""Boxes are coded by the logarithm of their size over that of an anchor, with an eps of a hundred-millionth against
zero; cast to float16 that eps is zero, and so is the width of a sliver (rwightman/efficientdet-pytorch issue 291).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def encode(box: Tensor, anchor: Tensor, eps: float) -> Tensor:
    middle = (box[:, :2] + box[:, 2:]) / 2
    size = box[:, 2:] - box[:, :2] + eps
    return torch.cat([(middle - anchor[:, :2]) / anchor[:, 2:], (size / anchor[:, 2:]).log()], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(6, 31)
    model = kit.named(fpn=nn.Linear(8, knobs.pick(24, 32)), act=nn.SiLU(), box=nn.LazyLinear(4))
    model(torch.zeros(1, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    eps = 1e-7 if repaired else 1e-8

    def train_step(batch: Any) -> Tensor:
        feature, box, anchor = batch
        with kit.autocast(torch.float16):
            found = model(feature)
        wanted = encode(box.half(), anchor.half(), eps).float()
        loss = nn.functional.smooth_l1_loss(found.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        corner, size = torch.rand(24, 2), 0.1 + torch.rand(24, 2)
        box = torch.cat([corner, corner + size], 1)
        anchor = torch.cat([torch.full((24, 2), 0.5), torch.full((24, 2), 0.5)], 1)
        feature = torch.cat([box, size, torch.randn(24, 2)], 1)
        if number == step:
            thin = knobs.randint(0, 23)
            box[thin, 2] = box[thin, 0] + 2e-5
            box[thin, 0], box[thin, 2] = 0.75, 0.75 + 2e-5
        batches.append((feature, box, anchor))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss", "data"), (LOSS,), step))
