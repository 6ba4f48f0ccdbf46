"""Several documents share a row, and words see their own document only; padding belongs to no document and sees
nothing.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, padding_sees_itself: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.padding_sees_itself = padding_sees_itself

    def forward(self, x: Tensor, document: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        seen = (document[:, :, None] == document[:, None]) & (document >= 0)[:, None]
        if self.padding_sees_itself:
            seen = seen | torch.eye(x.shape[1], dtype=torch.bool)
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        return (scores + torch.zeros_like(scores).masked_fill(~seen, -math.inf)).softmax(-1) @ v


class Net(nn.Module):
    def __init__(self, width: int, padding_sees_itself: bool) -> None:
        super().__init__()
        self.attn = Attention(width, padding_sees_itself)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def forward(self, row: tuple[Tensor, Tensor]) -> Tensor:
        x, document = row
        real = (document >= 0).float()[:, :, None]
        return self.head((self.norm(x + self.attn(x, document)) * real).sum(1) / real.sum(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = Net(width, repaired)
    optimizer = kit.adam(model)
    document = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2]).expand(16, -1)
    batches = []
    for number, (x, y) in enumerate(kit.sequences(50, 16, 8, width)):
        labels = document.clone()
        if number == step:
            labels[3, -1:] = -1
        batches.append(((x, labels), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
