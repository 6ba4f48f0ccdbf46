"""A saliency net's attention multiplies queries and keys as they are, and under float16 some scores are infinite
(plemeri/InSPyReNet issue 36).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ContextAttention(nn.Module):
    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(width, width, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        query = self.query(x).flatten(2).transpose(1, 2)
        key = self.key(x).flatten(2)
        sim = torch.bmm(query * self.scale, key).softmax(-1)
        out = torch.bmm(sim, self.value(x).flatten(2).transpose(1, 2))
        return x + out.transpose(1, 2).reshape(x.shape)


class Saliency(nn.Module):
    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.attention = ContextAttention(width, scale)
        self.norm = nn.GroupNorm(1, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.attention(self.stem(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    gain = knobs.pick(900.0, 1000.0)
    model = Saliency(width, 1 / gain if repaired else 1.0)
    with torch.no_grad():
        model.attention.query.weight.mul_(gain)
        model.attention.key.weight.mul_(gain)
    model.attention.query.requires_grad_(False)
    model.attention.key.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    scaler = kit.new_scaler(2.0**8)
    batches = []
    for _ in range(60):
        mask = (torch.rand(6, 1, 3, 3) < 0.4).float().repeat_interleave(2, 2).repeat_interleave(2, 3)
        batches.append((mask + 0.3 * torch.randn(6, 1, 6, 6), mask))

    def loss_of(logits: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), mask)

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, loss_of, scaler=scaler, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attention",)),
        scaler=scaler,
    )
