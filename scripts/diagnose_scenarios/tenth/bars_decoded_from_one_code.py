"""A hierarchical decoder unrolls a code into bars and every bar into notes, without clipping: the gradient of the code
passes through both recurrences and is multiplied in both (magenta/magenta pull request 1011).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, bars, notes = knobs.pick(10, 12), 6, 8
    model = nn.ModuleDict(
        {
            "code": nn.Linear(6, width),
            "conductor": nn.RNNCell(width, width, nonlinearity="relu"),
            "player": nn.RNNCell(width, width, nonlinearity="relu"),
            "pitch": nn.Linear(width, 1),
        }
    )
    for cell in (model["conductor"], model["player"]):
        nn.init.eye_(cell.weight_hh)
        cell.weight_hh.data.mul_(knobs.uniform(1.5, 1.55))
    optimizer = kit.sgd(model, lr=0.02, momentum=0.5)

    def decode(z: Tensor) -> Tensor:
        state = bar = torch.tanh(model["code"](z))
        played = []
        for _ in range(bars):
            bar = model["conductor"](state, bar)
            note = bar
            for _ in range(notes):
                note = model["player"](bar, note)
                played.append(model["pitch"](note))
        return torch.cat(played, 1)

    def train_step(batch: Any) -> Tensor:
        z, melody = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(decode(z), melody)
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
        return loss

    codes = [torch.randn(16, 6) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(z, z[:, :1].expand(16, bars * notes)) for z in codes],
        train_step,
        Expected(("exploding-gradients",), (), (), None),
    )
