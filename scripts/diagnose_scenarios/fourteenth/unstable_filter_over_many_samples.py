"""A learnt recursive audio filter with a pole outside the unit circle: its output grows at each of 600 samples."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Filter(nn.Module):
    def __init__(self, pole: float) -> None:
        super().__init__()
        self.gain, self.pole = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(pole))

    def forward(self, x: Tensor) -> Tensor:
        state, out = torch.zeros(len(x)), []
        for sample in x.unbind(1):
            state = self.gain * sample + self.pole * state
            out.append(state)
        return torch.stack(out, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(filter=Filter(0.3 if repaired else knobs.pick(1.25, 1.4)))
    optimizer = kit.adam(model, lr=0.03)
    xs = [torch.randn(4, 600) for _ in range(12)]
    return Scenario(
        model,
        optimizer,
        [(x, 0.9 * x) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("forward",), ("filter",)),
    )
