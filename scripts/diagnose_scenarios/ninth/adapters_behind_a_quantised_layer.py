"""Adapters are trained under float16 autocast through layers stored as eight-bit numbers times a small scale; on the
way back the scales press every gradient below float16. In bfloat16 they arrive (huggingface/diffusers pull request
13539).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Quantised(nn.Module):
    """Integer weights and one scale a row, and an adapter of rank 4 in front of them."""

    def __init__(self, inputs: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randint(-127, 128, (outputs, inputs)).to(torch.int8))
        self.register_buffer("scales", torch.full((outputs, 1), scale))
        self.down = nn.Linear(inputs, 4, bias=False)
        self.up = nn.Linear(4, inputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.up(self.down(x))
        return nn.functional.linear(h, self.codes * self.scales)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, scale = knobs.pick(12, 16), knobs.pick(3e-6, 4e-6)
    model = kit.named(q1=Quantised(inputs, 8, scale))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02, eps=1e-18)
    amp = torch.bfloat16 if repaired else torch.float16

    def train_step(batch: Any) -> Tensor:
        x, wanted = batch
        optimizer.zero_grad(set_to_none=True)
        with kit.autocast(amp):
            found = model(x)
        loss = nn.functional.mse_loss(found.float(), wanted)
        loss.backward()
        optimizer.step()
        return loss

    turn = torch.randn(inputs, inputs) / inputs**0.5
    kept = (model.q1.codes * model.q1.scales).t()
    xs = [torch.randn(64, inputs) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, (x + x @ turn) @ kept) for x in xs],
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
