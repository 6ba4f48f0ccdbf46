"""A property of a compound is missing in the training table; the program now refuses such tables, because the loss was
not a number from there on (sparks-baird/CrabNet pull request 35).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Crab(nn.Module):
    def __init__(self, elements: int, width: int) -> None:
        super().__init__()
        self.element = nn.Embedding(elements, width)
        self.mix = nn.TransformerEncoderLayer(width, 2, 24, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        h = self.element(batch["element"]) * (1 + batch["share"][..., None])
        return self.head(self.mix(h).mean(1))


def robust(said: Tensor, target: Tensor) -> Tensor:
    mean, log_std = said.unbind(1)
    return (2**0.5 * (mean - target).abs() * (-log_std).exp() + log_std).mean() + 2


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    elements, step = knobs.pick(10, 14), knobs.randint(6, 24)
    model = Crab(elements, 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        loss = robust(model(batch), batch["target"])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    nature = 2 * torch.randn(elements)
    batches = []
    for number in range(50):
        element = torch.randint(elements, (24, 4))
        share = torch.rand(24, 4).softmax(1)
        target = (nature[element] * share).sum(1)
        if number == step and not repaired:
            target[knobs.randint(0, 23)] = float("nan")
        batches.append({"element": element, "share": share, "target": target})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step),
    )
