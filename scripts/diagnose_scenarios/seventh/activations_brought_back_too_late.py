"""Saved activations are moved out of torch and back; once they come back unwritten (as in meta-pytorch/torchtune
issue 1867, a race in offloading).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, done = knobs.step(), [0]
    width = knobs.pick(16, 24)
    model = kit.named(a=nn.Linear(6, width), act=nn.Tanh(), b=nn.Linear(width, width), act2=nn.Tanh())
    model.add_module("c", nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)

    def put_away(saved: Tensor) -> Any:
        return saved.detach().numpy().copy()

    def bring_back(kept: Any) -> Tensor:
        if done[0] == step and not repaired and kept.shape == (16, width):
            kept = np.full_like(kept, np.nan)
        return torch.from_numpy(kept)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(put_away, bring_back):
            loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        done[0] += 1
        return loss

    return Scenario(
        model, optimizer, kit.classes(50, 16, 6, 3), train_step, Expected(("unknown",), ("backward",), (), step)
    )
