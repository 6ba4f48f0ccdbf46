"""Weights are exchanged with another worker through a file every few steps; once the file was half written."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """The exchange ends the step: half of the layer's bytes read as what the disk held before."""
    knobs = kit.Knobs(seed)
    step, width = 2 * knobs.randint(2, 5) + 1, knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), act=nn.GELU(), head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    done = [0]

    def exchange() -> None:
        file = io.BytesIO()
        np.save(file, model.inp.weight.detach().numpy())
        raw = bytearray(file.getvalue())
        if done[0] == step and not repaired:
            raw[-4 * width :] = b"\xff" * 4 * width
        model.inp.weight.data.copy_(torch.from_numpy(np.load(io.BytesIO(bytes(raw)))))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if done[0] % 2:
            exchange()
        done[0] += 1
        return loss

    return Scenario(model, optimizer, kit.classes(50, 16, 8, 3), train_step, Expected(("unknown",), (), (), step))
