"""Frames of sound that are padding are hidden by adding minus a billion to the scores, which is minus infinity in half
precision; for a clip of nothing but padding no finite score is left (burchim/AVEC issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, large: float) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.large = large

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2)
        scores = scores - self.large * (~real)[:, None, :].to(scores.dtype)
        return (scores / x.shape[-1] ** 0.5).softmax(-1) @ self.v(x)


class Listener(nn.Module):
    def __init__(self, bands: int, width: int, large: float) -> None:
        super().__init__()
        self.inp = nn.Linear(bands, width)
        self.attn = Attention(width, large)
        self.head = nn.Linear(width, 3)

    def forward(self, batch: Any) -> Tensor:
        sound, real = batch
        return self.head((self.attn(self.inp(sound), real) * real[..., None]).sum(1) / 10)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(3, 15)
    model = Listener(6, knobs.pick(12, 16), 1e4 if repaired else 1e9)
    optimizer = kit.adam(model, lr=0.01)
    voices = torch.randn(3, 6)
    batches = []
    for number in range(60):
        label = torch.randint(3, (12,))
        real = torch.arange(10) < torch.randint(4, 11, (12, 1))
        if number == step:
            real[knobs.randint(0, 11)] = False
        sound = (voices[label][:, None] + 0.5 * torch.randn(12, 10, 6)) * real[..., None]
        batches.append(((sound, real), label))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("masked-softmax", "fp16-overflow"), ("forward",), ("attn",), step),
    )
