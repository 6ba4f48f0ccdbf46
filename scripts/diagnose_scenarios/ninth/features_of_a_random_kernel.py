"""Attention is approximated by positive random features, exponentials that need far more range than float16 has; kept
in float32 they are fine (facebookresearch/xformers issue 96).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Favor(nn.Module):
    def __init__(self, width: int, features: int, full: bool) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.directions = nn.Parameter(torch.randn(width, features), requires_grad=False)
        self.full = full

    def phi(self, x: Tensor) -> Tensor:
        if self.full:
            with torch.autocast("cpu", enabled=False):
                x = x.float()
                return torch.exp(x @ self.directions - x.square().sum(-1, keepdim=True) / 2)
        return torch.exp(x @ self.directions - x.square().sum(-1, keepdim=True) / 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.phi(self.query(x)), self.phi(self.key(x)), self.value(x)
        with torch.autocast("cpu", enabled=not self.full):
            v = v.to(q.dtype)
            mixed = q @ (k.transpose(1, 2) @ v)
            return x + (mixed / (q @ k.sum(1)[..., None])).to(x.dtype)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(48, 56)
    model = kit.named(inp=nn.Linear(6, width), favor=Favor(width, 24, repaired), head=nn.Linear(width, 2))
    longest = model.favor.directions.norm(dim=0).argmax()
    with torch.no_grad():
        model.favor.key.bias.copy_(model.favor.directions[:, longest] * 0.8)
        model.favor.query.bias.copy_(model.favor.directions[:, longest] * 0.6)
    optimizer = kit.adam(model, lr=0.003)
    return Scenario(
        model,
        optimizer,
        [(x, x[..., :2] - x[..., 2:4]) for x, _ in kit.sequences(40, 16, 8, 6)],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("favor",)),
    )
