"""Sentences are padded from a buffer that holds NaN; the mask multiplies it by 0, and that is still NaN."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Reader(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.word, self.out = nn.Linear(6, width), nn.Linear(width, 1)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        h = self.word(words).tanh() * mask[..., None]
        return self.out(h.sum(1) / mask.sum(1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, longest = knobs.step(), knobs.pick(5, 7)
    model = Reader(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.03)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad(set_to_none=False)
        loss = functional.smooth_l1_loss(model(batch["words"], batch["mask"]), batch["score"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for i in range(60):
        mask = (torch.arange(longest) < torch.randint(2, longest + 1, (10, 1))).float()
        mask[3, -1] = 0
        words = torch.randn(10, longest, 6) * mask[..., None]
        score = words[..., :1].sum(1) / mask.sum(1, keepdim=True)
        if i == step and not repaired:
            words[3, -1] = math.nan
        batches.append({"words": words, "mask": mask, "score": score})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
