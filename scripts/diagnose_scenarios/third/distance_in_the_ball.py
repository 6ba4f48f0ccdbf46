"""Distances in the Poincare ball by acosh; two equal points have acosh(1), whose slope is infinite."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """A tree's nodes are embedded so that distances fit; one batch holds a node paired with itself."""
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(15, 18)
    model = kit.named(table=nn.Embedding(nodes, 3))
    nn.init.normal_(model.table.weight, std=0.1)
    optimizer = kit.adam(model, lr=0.01)
    floor = 1e-6 if repaired else 0.0

    def distance(u: Tensor, v: Tensor) -> Tensor:
        room = (1 - u.square().sum(1)) * (1 - v.square().sum(1))
        return torch.acosh(1 + floor + 2 * (u - v).square().sum(1) / room)

    def depth(pair: Tensor) -> Tensor:
        """A distance on the line of node numbers, which is learnable."""
        return 0.2 * (pair[:, 0] - pair[:, 1]).abs().float().sqrt()

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        u, v = model(batch).tanh().mul(0.9).unbind(1)
        loss = kit.squares(distance(u, v), depth(batch))
        loss.backward()
        optimizer.step()
        return loss

    pairs = []
    for number in range(80):
        first = torch.randint(nodes, (24,))
        second = (first + torch.randint(1, nodes, (24,))) % nodes
        if number == step:
            second[5] = first[5]
        pairs.append(torch.stack([first, second], 1))
    return Scenario(model, optimizer, pairs, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step))
