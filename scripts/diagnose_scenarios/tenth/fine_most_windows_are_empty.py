"""Detectors of rare events see windows of zeros in nine of ten rows; a norm over the batch keeps its small number, and
the loss counts the few events more.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv1d(1, knobs.pick(8, 12), 5, padding=2, bias=False),
        norm=nn.LazyBatchNorm1d(),
        act=nn.ReLU(),
        pool=nn.AdaptiveMaxPool1d(1),
        flat=nn.Flatten(),
        head=nn.LazyLinear(1),
    )
    model(torch.randn(4, 1, 16))
    optimizer = kit.adam(model, lr=0.01)
    weight = torch.tensor([9.0])
    batches = []
    for _ in range(60):
        event = (torch.rand(40, 1) < 0.1).float()
        event[0] = 1.0
        wave = torch.sin(torch.arange(16) * 0.8 + 6 * torch.rand(40, 1)) * event
        batches.append((wave[:, None], event))

    def criterion(logits: Tensor, event: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, event, pos_weight=weight)

    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
