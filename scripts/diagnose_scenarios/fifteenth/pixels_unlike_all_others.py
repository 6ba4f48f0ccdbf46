"""A contrast between pixels takes the logarithm of a sum of exponents that were lowered by the largest, a pixel's
likeness to itself; at a low temperature nothing is left of the others (tfzhou/ContrastiveSeg issue 68).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def contrast(z: Tensor, kind: Tensor, cold: float, eps: float) -> Tensor:
    z = nn.functional.normalize(z, dim=1)
    like = z @ z.T / cold
    logits = like - like.max(1, keepdim=True).values.detach()
    mine = torch.eye(len(z), dtype=torch.bool)
    same = (kind[:, None] == kind[None]) & ~mine
    power = logits.exp()
    others = (power * (kind[:, None] != kind[None])).sum(1, keepdim=True)
    told = logits - (power + others + eps).log()
    return -(cold * told * same).sum() / same.sum()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    cold = knobs.pick(0.0025, 0.003)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        loss = contrast(model(batch[0]), batch[1], cold, 1e-10 if repaired else 0.0)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = kit.classes(50, 24, 8, 4)
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), 0))
