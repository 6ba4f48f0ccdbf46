"""Each block of a pure float16 residual net adds three times its input; by the fifth or so the stream passes 65504."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.lin.weight.copy_(3 * torch.eye(width) + 0.05 * torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lin(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(10, 14), 10
    blocks = [Block(width).requires_grad_(False) for _ in range(depth)]
    model = kit.named(
        stem=nn.Linear(6, width).requires_grad_(False),
        blocks=nn.Sequential(*blocks),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 1),
    )
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.02)
    batches = kit.regression(60, 16, 6)
    amp = torch.float16
    found = kit.first_overflow(model, batches[0][0], amp)
    places = (found, found.removesuffix(".lin"))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else amp),
        Expected(("fp16-overflow",), ("forward",), places),
    )
