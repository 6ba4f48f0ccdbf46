"""Under autocast the product of one query with one key passes the range of half before it is scaled, and the softmax
over it is not a number (huggingface/transformers issue 24638).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, scale_first: bool) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.scale_first = scale_first

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        scale = q.shape[-1] ** -0.5
        scores = (q * scale / 8) @ k.mT if self.scale_first else (q @ k.mT) * scale / 8
        return scores.softmax(-1) @ v


class Reader(nn.Module):
    def __init__(self, width: int, scale_first: bool) -> None:
        super().__init__()
        self.attn = Attention(width, scale_first)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((0.2 * x + self.attn(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(24, 32), knobs.randint(5, 25)
    model = Reader(width, repaired)
    with torch.no_grad():
        model.attn.query.weight.copy_(torch.eye(width) * 2)
        model.attn.key.weight.copy_(torch.eye(width) * 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    batches = []
    for number, (centre, y) in enumerate(kit.classes(45, 16, width, 3)):
        x = centre[:, None] + 0.5 * torch.randn(16, 5, width)
        if number == step:
            x[knobs.randint(0, 15), 2] = knobs.pick(34.0, 38.0) * torch.randn(width).sign()
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",), step),
    )
