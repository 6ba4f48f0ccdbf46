"""Linear attention sums key times value over all tokens in float16 (mit-han-lab/efficientvit issue 110)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LinearAttention(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        q, k, v = (qkv.float() if self.wide else qkv).chunk(3, -1)
        with torch.autocast("cpu", enabled=False):
            q, k = q.relu(), k.relu()
            context = k.transpose(1, 2) @ v
            return (q @ context) / ((q * k.sum(1, keepdim=True)).sum(-1, keepdim=True) + 1e-3)


class Net(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.attn = LinearAttention(width, wide)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(x + self.attn(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, tokens = knobs.pick(8, 16), knobs.pick(32, 48)
    model = Net(width, repaired)
    with torch.no_grad():
        model.attn.qkv.weight[width:].mul_(knobs.pick(150, 200))
        model.attn.qkv.bias.fill_(1.0)
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.sequences(80, 16, tokens, width),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",)),
    )
