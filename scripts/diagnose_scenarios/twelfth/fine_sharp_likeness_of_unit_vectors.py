"""Likenesses of unit vectors are divided by a twentieth, so that the softmax over them is almost one or nought."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = nn.ModuleDict({"text": nn.Linear(6, width), "picture": nn.Linear(9, width)})
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        text = nn.functional.normalize(model["text"](batch[0]), dim=1)
        picture = nn.functional.normalize(model["picture"](batch[1]), dim=1)
        alike = text @ picture.t() / 0.05
        own = torch.arange(len(alike))
        loss = (nn.functional.cross_entropy(alike, own) + nn.functional.cross_entropy(alike.t(), own)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    one, other = torch.randn(4, 6), torch.randn(4, 9)
    batches = [(z @ one, z @ other) for z in torch.randn(70, 16, 4)]
    return Scenario(model, optimizer, batches, train_step)
