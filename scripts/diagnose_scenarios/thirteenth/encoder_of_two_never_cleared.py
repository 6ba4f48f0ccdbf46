"""Encoder and decoder have an optimizer each, and only the decoder's is cleared: the encoder's gradients pile up."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    encoder, decoder = nn.Linear(10, width), nn.Linear(width, 10)
    model = kit.named(encoder=encoder, act=nn.LeakyReLU(0.3), decoder=decoder)
    first = torch.optim.SGD(encoder.parameters(), lr=knobs.pick(0.1, 0.15), momentum=0.9)
    second = torch.optim.SGD(decoder.parameters(), lr=0.1)
    basis = torch.randn(4, 10)

    def train_step(x: Tensor) -> Tensor:
        if repaired:
            first.zero_grad()
        second.zero_grad()
        loss = (model(x) - x).square().mean()
        loss.backward()
        first.step()
        second.step()
        return loss

    batches = [0.4 * torch.randn(24, 4) @ basis for _ in range(160)]
    return Scenario(
        model,
        [first, second],
        batches,
        train_step,
        Expected(("zero-grad",), (), (), None),
    )
