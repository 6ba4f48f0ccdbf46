"""Turned boxes are compared as bells by a distance with roots of determinants; a label without any height has a
determinant of zero, where the root is finite and its slope is not (open-mmlab/mmrotate issue 205).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def bell(box: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a box x, y, w, h, angle."""
    turn = torch.stack([box[:, 4].cos(), -box[:, 4].sin(), box[:, 4].sin(), box[:, 4].cos()], 1).reshape(-1, 2, 2)
    half = torch.diag_embed(box[:, 2:4] / 2)
    return box[:, :2], turn @ half.square() @ turn.transpose(1, 2)


def distance(one: Tensor, other: Tensor, least: float) -> Tensor:
    (m1, s1), (m2, s2) = bell(one), bell(other)
    determinants = s1[:, 0, 0] * s1[:, 1, 1] * other[:, 2].square() * other[:, 3].square()
    trace = (s1 @ s2).diagonal(dim1=1, dim2=2).sum(-1)
    cross = (trace + 2 * (determinants.clamp(min=least)).sqrt()).clamp(min=least).sqrt()
    spread = s1.diagonal(dim1=1, dim2=2).sum(-1) + s2.diagonal(dim1=1, dim2=2).sum(-1) - 2 * cross
    return ((m1 - m2).square().sum(1) + spread).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(10, 33)
    model = kit.named(conv=nn.Conv1d(2, 8, 3), act=nn.GELU(), flat=nn.Flatten(), reg=nn.LazyLinear(5))
    model(torch.zeros(1, 2, knobs.pick(8, 9)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    size = model.reg.in_features // 8 + 2

    def train_step(batch: Any) -> Tensor:
        feature, box = batch
        delta = model(feature)
        found = torch.cat([delta[:, :2], delta[:, 2:4].clamp(max=3).exp(), delta[:, 4:]], 1)
        loss = distance(found, box, 1e-7 if repaired else 0.0)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        feature = torch.randn(16, 2, size)
        told = feature[:, :, :3].mean(-1)
        box = torch.cat([told, (told + 0.5).exp(), told[:, :1]], 1)
        if number == step:
            box[knobs.randint(0, 15), 3] = 0.0
        batches.append((feature, box))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("loss", "backward"), (LOSS,), step),
    )
