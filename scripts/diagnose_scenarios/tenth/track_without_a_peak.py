"""A part of the loss is one minus the correlation with the wanted track; an interval in which the track is flat has no
spread to divide by (NVIDIA-Genomics-Research/AtacWorks pull request 104).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def correlation(a: Tensor, b: Tensor, spare: float) -> Tensor:
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1) + spare).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.randint(4, 13), 30
    model = kit.named(
        conv1=nn.Conv1d(1, knobs.pick(8, 12), 7, padding=3), act=nn.ReLU(), conv2=nn.LazyConv1d(1, 7, padding=3)
    )
    model(torch.zeros(1, 1, length))
    optimizer = kit.adam(model, lr=0.01)

    def criterion(made: Tensor, wanted: Tensor) -> Tensor:
        made = made[:, 0]
        apart = correlation(made, wanted, 1e-6) if repaired else correlation(made, wanted, 0.0)
        return nn.functional.mse_loss(made, wanted) + (1 - apart).mean()

    at = torch.arange(length).float()
    batches = []
    for number in range(60):
        peaks = torch.exp(-(at - length * torch.rand(12, 1)).square() / 8) * 3
        noisy = peaks + 0.5 * torch.randn(12, length)
        if number == step:
            peaks[knobs.randint(0, 11)] = 0.0
        batches.append((noisy[:, None], peaks))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
