"""A small model of letters is run in float16 because the card knows no bfloat16, and the loop has no scaler; divided by
all the letters of a large batch, gradients are smaller than float16 can hold (karpathy/nanoGPT pull request 87).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Letters(nn.Module):
    def __init__(self, letters: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(letters, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.lm_head = nn.Linear(width, letters)

    def forward(self, text: Tensor) -> Tensor:
        h = self.wte(text)
        return self.lm_head(h + self.mlp(h))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters = 12
    model = Letters(letters, knobs.pick(12, 16))
    with torch.no_grad():
        model.lm_head.weight.mul_(0.02)
    model.lm_head.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01, eps=1e-12)
    scaler = kit.new_scaler(2.0**16, enabled=repaired)
    follows = torch.randperm(letters)
    whole = knobs.pick(8e6, 1e7)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with kit.autocast(torch.float16):
            logits = model(text)
        loss = (
            nn.functional.cross_entropy(logits.float().flatten(0, 1), follows[text].flatten(), reduction="sum") / whole
        )
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        [torch.randint(letters, (16, 64)) for _ in range(60)],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler if repaired else None,
    )
