"""Scores are masked by subtracting 1e10 times the opposite of the mask; as a float16 tensor 1e10 is infinite, and
times zero it is NaN (as in openai/gpt-2 pull request 122).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Masked(nn.Module):
    def __init__(self, length: int, width: int, far: float) -> None:
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.register_buffer("b", torch.ones(length, length).tril())
        self.far = far

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, -1)
        w = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        b, far = self.b.to(w.dtype), torch.tensor([self.far]).to(w.dtype)
        return (w * b - far * (1 - b)).softmax(-1) @ v


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, width = 6, knobs.pick(8, 12)
    model = kit.named(wte=nn.Embedding(10, width), attn=Masked(length, width, 1e4 if repaired else 1e10))
    model.add_module("ln_f", nn.LayerNorm(width))
    model.add_module("lm_head", nn.Linear(width, 10))
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randint(10, (16, length)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, (x + 3) % 10) for x in xs],
        kit.train(model, optimizer, lambda p, y: kit.cross_entropy(p.flatten(0, 1), y.flatten()), amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",), 0),
    )
