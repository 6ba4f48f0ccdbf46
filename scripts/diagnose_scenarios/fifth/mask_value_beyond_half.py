"""A matching layer fills masked similarities with -1e9, a number that float16 does not have: torch raises
(zju3dv/LoFTR issue 285, ahrefs/ocannl issue 548).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn

INF = 1e9


class CoarseMatching(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.proj = nn.Linear(width, width)
        self.fill = fill

    def forward(self, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        similarity = self.proj(a) @ self.proj(b).transpose(1, 2) / a.shape[-1] ** 0.5
        return similarity.masked_fill(~mask[:, None], self.fill)


class Matcher(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.backbone = nn.Linear(4, width)
        self.coarse = CoarseMatching(width, fill)

    def forward(self, a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        return self.coarse(self.backbone(a), self.backbone(b), mask)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    matcher = Matcher(knobs.pick(12, 16), -1e4 if repaired else -INF)
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**12)

    def train_step(batch: Any) -> Tensor:
        a, b, mask, match = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            scores = matcher(a, b, mask)
        loss = nn.functional.cross_entropy(scores.float().transpose(1, 2), match)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for _ in range(60):
        b = torch.randn(6, 8, 4)
        match = torch.randint(6, (6, 8))
        mask = torch.ones(6, 8, dtype=torch.bool)
        mask[:, 6:] = False
        batches.append((b.gather(1, match[..., None].expand(-1, -1, 4)) + 0.1 * torch.randn(6, 8, 4), b, mask, match))
    return Scenario(
        matcher,
        optimizer,
        batches,
        train_step,
        Expected(("fp16-overflow",), ("forward",), ("coarse",), 0, "raises"),
        scaler=scaler,
    )
