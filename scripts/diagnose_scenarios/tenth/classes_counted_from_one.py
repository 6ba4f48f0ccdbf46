"""Pixels are labelled 1 and 2 for two classes, where the loss counts from 0; there is no place for class 2 in a row of
two (shekkizh/FCN.tensorflow issue 17).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv1=nn.Conv2d(3, knobs.pick(6, 8), 3, padding=1), act=nn.ReLU(), conv2=nn.LazyConv2d(2, 1))
    model(torch.zeros(1, 3, 8, 8))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)

    def train_step(batch: Any) -> Tensor:
        picture, label = batch
        optimizer.zero_grad()
        wanted = nn.functional.one_hot(label - 1 if repaired else label, 2).movedim(-1, 1)
        loss = -(wanted * model(picture).log_softmax(1)).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for picture, _ in kit.images(40, 8, 3, 8, 2):
        batches.append((picture, 1 + (picture.mean(1) > 0).long()))
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,), 0, "raises"))
