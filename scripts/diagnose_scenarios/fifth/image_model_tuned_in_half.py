"""A text-to-image model loaded in float16 and fine-tuned with Adam and its default eps: weights are NaN after the first
step, whatever the gradients (afiaka87/glide-finetune issue 5).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class UNet(nn.Module):
    def __init__(self, words: int, pixels: int, width: int) -> None:
        super().__init__()
        self.text = nn.Embedding(words, width)
        self.inp = nn.Linear(pixels + 1, width)
        self.mid = nn.Linear(width, width)
        self.out = nn.Linear(width, pixels)

    def forward(self, x: Tensor, t: Tensor, prompt: Tensor) -> Tensor:
        h = self.inp(torch.cat([x, t], 1)) + self.text(prompt)
        return self.out(h + self.mid(nn.functional.silu(h)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(40, 50)
    glide = UNet(words, 8, knobs.pick(24, 32)).half()
    optimizer = torch.optim.Adam(glide.parameters(), lr=0.003, eps=1e-4 if repaired else 1e-8)
    drawn = torch.randn(words, 8)

    def train_step(prompt: Any) -> Tensor:
        t = torch.rand(len(prompt), 1)
        noise = torch.randn(len(prompt), 8)
        x = (1 - t).sqrt() * drawn[prompt] + t.sqrt() * noise
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(glide(x.half(), t.half(), prompt).float(), noise)
        loss.backward()
        optimizer.step()
        return loss

    batches = [torch.randint(words // 2, (16,)) for _ in range(120)]
    return Scenario(glide, optimizer, batches, train_step, Expected(("optimizer-eps",), ("optimizer",)))
