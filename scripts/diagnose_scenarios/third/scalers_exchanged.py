"""Two nets with a scaler each: the loss is scaled by one and the gradients are divided by the other's scale."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    pair = nn.ModuleDict({"actor": kit.mlp(6, width, 1), "critic": kit.mlp(6, width, 1)})
    actor, critic = pair["actor"], pair["critic"]
    optimizer, other = kit.sgd(actor, lr=0.05), kit.sgd(critic, lr=0.05)
    scaler, other_scaler = kit.new_scaler(2.0**14), kit.new_scaler(2.0 ** knobs.pick(3, 4))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        other.zero_grad()
        with kit.autocast(torch.float16):
            first, second = kit.squares(actor(x), y), kit.squares(critic(x), y)
        scaler.scale(first).backward()
        other_scaler.scale(second).backward()
        (scaler if repaired else other_scaler).step(optimizer)
        (other_scaler if repaired else scaler).step(other)
        scaler.update()
        other_scaler.update()
        return first + second

    return Scenario(
        pair,
        optimizer,
        kit.regression(80, 32, 6),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "diverges"),
        scaler=scaler,
        extra_state=(other, other_scaler),
    )
