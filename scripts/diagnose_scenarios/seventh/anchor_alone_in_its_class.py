"""Supervised contrastive learning with one view: a label that occurs once in the batch has no partner, and the mean
over its partners is 0 / 0 (as in HobbitLong/SupContrast issue 141).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def supervised_contrast(features: Tensor, labels: Tensor) -> Tensor:
    z = nn.functional.normalize(features, dim=1)
    logits = z @ z.t() / 0.2
    other = 1 - torch.eye(len(labels))
    same = (labels[:, None] == labels).float() * other
    log_prob = logits - (logits.exp() * other).sum(1, keepdim=True).log()
    return -((same * log_prob).sum(1) / same.sum(1)).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(10, knobs.pick(24, 32), 8)
    optimizer = kit.sgd(model, lr=0.3, momentum=0.9)
    centres = torch.randn(8, 10)
    batches = []
    for number in range(60):
        y = torch.arange(16) % 8
        if number == step and not repaired:
            y[y == 7] = 0
            y[15] = 7
        batches.append((centres[y] + 0.5 * torch.randn(16, 10), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, supervised_contrast),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
