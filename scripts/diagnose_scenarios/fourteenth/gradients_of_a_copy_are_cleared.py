"""The loop clears the gradients of the averaged copy of a net, not of the net that it trains."""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(7, knobs.pick(18, 22)), act=nn.SiLU(), head=nn.LazyLinear(2))
    batches = kit.regression(220, 16, 7, 2)
    model(batches[0][0])
    average = copy.deepcopy(model)
    optimizer = kit.sgd(model, lr=0.04, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        (model if repaired else average).zero_grad()
        loss = kit.squares(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(average.parameters(), model.parameters(), strict=True):
                ours.lerp_(theirs, 0.05)
        return loss

    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("zero-grad",), (), (), None),
        extra_state=(average,),
    )
