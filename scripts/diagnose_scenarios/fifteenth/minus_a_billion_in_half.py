"""Paths that do not exist are masked with minus a billion, which no half can hold; the operator refuses it
(NVIDIA/apex issue 1052).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Paths(nn.Module):
    def __init__(self, inputs: int, width: int, low: float) -> None:
        super().__init__()
        self.key = nn.Linear(inputs, width)
        self.query = nn.Parameter(torch.randn(width) / width**0.5)
        self.kind = nn.Linear(width, 3)
        self.low = low

    def forward(self, paths: Tensor, there: Tensor) -> Tensor:
        key = self.key(paths)
        score = (key @ self.query.to(key.dtype)).masked_fill(~there, self.low)
        return self.kind((score.softmax(-1)[:, None] @ key)[:, 0].relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(read=Paths(8, knobs.pick(12, 16), -1e4 if repaired else -1e9))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**10)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = model.read(batch["paths"], batch["there"])
        loss = kit.cross_entropy(logits, batch["kind"])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for x, kind in kit.classes(45, 24, 8, 3):
        paths = x[:, None] + 0.5 * torch.randn(24, 5, 8)
        batches.append({"paths": paths, "there": torch.arange(5) < torch.randint(2, 6, (24, 1)), "kind": kind})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("fp16-overflow",), ("forward",), ("read",), 0, "raises"),
        scaler=scaler,
    )
