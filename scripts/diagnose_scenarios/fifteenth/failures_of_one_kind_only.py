"""A contrastive loss divides by the likeness to the samples of other kinds; where all failures of a batch are of one
kind there is none to divide by (WHU-AISE/TVDiag pull request 5).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def contrast(z: Tensor, kind: Tensor, eps: float) -> Tensor:
    z = nn.functional.normalize(z, dim=1)
    like = (z @ z.T / 0.5).exp()
    same = kind[:, None] == kind[None]
    friends = same & ~torch.eye(len(z), dtype=torch.bool)
    share = torch.div(like, (like * ~same).sum(1, keepdim=True) + eps)
    return 4 - (share.log() * friends).sum() / friends.sum()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = knobs.pick(3, 4), knobs.randint(6, 25)
    model = kit.named(embed=nn.Linear(10, 24), act=nn.ReLU(), out=nn.Linear(24, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        loss = contrast(model(batch[0]), batch[1], 1e-8 if repaired else 0.0)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = kit.classes(50, 20, 10, kinds)
    alike = torch.zeros(20, dtype=torch.long)
    batches = kit.at(batches, step, (batches[step][0], alike))
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
