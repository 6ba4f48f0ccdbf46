"""Samples are gathered over several batches until there are enough for a step, but each batch begins by clearing what
the ones before it left (dscripka/openWakeWord issue 316).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Wake(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layer1 = nn.Linear(inputs, width)
        self.norm1 = nn.LayerNorm(width)
        self.last = nn.Linear(width, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm1(self.layer1(x)).relu())[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, parts = knobs.pick(12, 16), knobs.pick(6, 8)
    model = Wake(inputs, 24)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    word = torch.randn(inputs)

    def train_step(parts_of_a_step: list[tuple[Tensor, Tensor]]) -> Tensor:
        gathered, losses = 0, []
        for x, heard in parts_of_a_step:
            if not repaired or gathered == 0:
                optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(model(x), heard) / len(parts_of_a_step)
            loss.backward()
            losses.append(loss.detach())
            gathered += len(x)
        optimizer.step()
        return torch.stack(losses).sum()

    batches = []
    for _ in range(60):
        step = []
        for part in range(parts):
            heard = torch.full((16,), float(part % 2))
            if part == parts - 1:
                heard = torch.ones(16)
            step.append((heard[:, None] * word + torch.randn(16, inputs), heard))
        batches.append(step)
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
