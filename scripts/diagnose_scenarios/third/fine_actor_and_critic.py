"""Two optimizers, one scaler, both stepped through it and updated once, as the manual says; the scale begins high."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    pair = nn.ModuleDict({"actor": kit.mlp(6, width, 1), "critic": kit.mlp(6, width, 1)})
    optimizer, other = kit.adam(pair["actor"], lr=0.02), kit.sgd(pair["critic"], lr=0.05)
    scaler = kit.new_scaler(2.0 ** knobs.pick(22, 24))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        other.zero_grad()
        with kit.autocast(torch.float16):
            first, second = kit.squares(pair["actor"](x), y), kit.squares(pair["critic"](x), -y)
        scaler.scale(first).backward()
        scaler.scale(second).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(pair["actor"].parameters(), 1.0)
        scaler.step(optimizer)
        scaler.step(other)
        scaler.update()
        return first + second

    return Scenario(pair, optimizer, kit.regression(100, 32, 6), train_step, scaler=scaler, extra_state=(other,))
