"""Contrastive training with AdamW's decay at 0.2, norms and scales left out, as large image-text models have it
(mlfoundations/open_clip issue 32).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Clip(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Linear(10, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, width, bias=False))
        self.text = nn.Sequential(nn.Linear(6, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, width, bias=False))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, image: Tensor, caption: Tensor) -> Tensor:
        a = nn.functional.normalize(self.visual(image), dim=1)
        b = nn.functional.normalize(self.text(caption), dim=1)
        return self.logit_scale.exp() * a @ b.t()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Clip(knobs.pick(8, 12))
    flat = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    optimizer = torch.optim.AdamW(
        [{"params": flat, "weight_decay": 0.0}, {"params": matrices, "weight_decay": 0.2}], lr=0.005, betas=(0.9, 0.98)
    )

    def train_step(batch: Any) -> Tensor:
        logits = model(*batch)
        labels = torch.arange(len(logits))
        loss = (nn.functional.cross_entropy(logits, labels) + nn.functional.cross_entropy(logits.t(), labels)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return loss

    show, tell = torch.randn(4, 10), torch.randn(4, 6)
    things = [torch.randn(32, 4) for _ in range(60)]
    return Scenario(model, optimizer, [(t @ show, t @ tell) for t in things], train_step)
