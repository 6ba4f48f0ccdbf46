"""Spectrograms of a forest are divided by their largest value on the way into the net; a clip in which nothing calls is
zero throughout (UCSD-E4E/acoustic-multiclass-training pull request 9).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Loudest(nn.Module):
    def __init__(self, spare: float) -> None:
        super().__init__()
        self.spare = spare

    def forward(self, mel: Tensor) -> Tensor:
        mel = mel - mel.amin((2, 3), keepdim=True)
        return mel / (mel.amax((2, 3), keepdim=True) + self.spare)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, size = knobs.randint(2, 13), 8
    model = kit.named(
        loudest=Loudest(1e-6 if repaired else 0.0),
        conv=nn.Conv2d(1, knobs.pick(6, 8), 3, padding=1),
        act=nn.ELU(),
        flat=nn.Flatten(),
        head=nn.LazyLinear(4),
    )
    model(torch.rand(2, 1, size, size))
    optimizer = kit.adam(model, lr=0.005)
    calls = torch.rand(4, 1, size, size) ** 2
    batches = []
    for number in range(50):
        present = (torch.rand(16, 4) < 0.4).float()
        mel = torch.einsum("bc,cnhw->bnhw", present, calls) * 5 + 0.3 * torch.rand(16, 1, size, size)
        if number == step:
            silent = knobs.randint(0, 15)
            mel[silent], present[silent] = 0.0, 0.0
        batches.append((mel, present))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.binary_cross_entropy_with_logits),
        Expected(("division-by-zero",), ("forward",), ("loudest",), step),
    )
