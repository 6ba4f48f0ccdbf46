"""A triplet loss averaged over the triplets that still violate the margin; in an easy batch there is none
(KevinMusgrave/pytorch-metric-learning issue 107).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float, least: int) -> Tensor:
    distance = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels
    margins = distance[:, :, None] - distance[:, None, :] + margin
    margins = margins[same[:, :, None] & ~same[:, None, :]]
    violated = (margins > 0).float()
    return (margins * violated).sum() / violated.sum().clamp(min=least)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    trunk = kit.named(fc1=nn.Linear(8, width), act=nn.ReLU(), embedder=nn.Linear(width, 4))
    optimizer = kit.adam(trunk, lr=0.003)
    margin = knobs.pick(0.5, 0.6)

    def train_step(batch: Any) -> Tensor:
        x, labels = batch
        loss = triplet_loss(trunk(x), labels, margin, 1 if repaired else 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    centres = torch.randn(4, 8)
    batches = []
    for number in range(60):
        labels = torch.arange(12) % 4
        spread = 0.001 if number == step else 1.0
        far = 30.0 if number == step else 1.0
        batches.append((far * centres[labels] + spread * torch.randn(12, 8), labels))
    expected = Expected(("division-by-zero",), ("loss",), (LOSS,), step)
    return Scenario(trunk, optimizer, batches, train_step, expected, learns=False)
