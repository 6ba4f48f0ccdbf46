"""Federated learning with a personal model for each client: the inner loop's learning rate is far too high
(CharlieDinh/pFedMe issue 11).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(fc1=nn.Linear(8, width), act=nn.LeakyReLU(0.1), fc2=nn.Linear(width, 1))
    personal = copy.deepcopy(model)
    lamda, inner_steps = 1.0, 5
    optimizer = kit.sgd(model, lr=0.5)
    inner = torch.optim.SGD(personal.parameters(), lr=0.05 if repaired else knobs.pick(1.0, 1.2))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        personal.load_state_dict(model.state_dict())
        for _ in range(inner_steps):
            inner.zero_grad()
            loss = kit.squares(personal(x), y)
            for mine, ours in zip(personal.parameters(), model.parameters(), strict=True):
                loss = loss + 0.5 * lamda * (mine - ours.detach()).square().sum()
            loss.backward()
            inner.step()
        for mine, ours in zip(personal.parameters(), model.parameters(), strict=True):
            ours.grad = lamda * (ours.detach() - mine.detach())
        optimizer.step()
        return loss

    expected = Expected(("learning-rate",), (), (), None)
    batches = kit.regression(60, 20, 8)
    return Scenario(model, optimizer, batches, train_step, expected, extra_state=(personal, inner))
