"""A residual tower's convolutions are drawn with fan-in and fan-out taken for the kernel's sides; the value head is
saturated from the beginning (LeelaChessZero/lczero-training pull request 43).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv2(self.conv1(x).relu())).relu()


class ValueNet(nn.Module):
    def __init__(self, planes: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(planes, width, 3, padding=1)
        self.tower = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.value = nn.Linear(width, 1)

    def forward(self, board: Tensor) -> Tensor:
        return self.value(self.tower(self.stem(board)).mean((2, 3))).tanh()


def xavier(weight: Tensor, right: bool) -> None:
    outputs, inputs, height, width = weight.shape
    fan = height * width * (inputs + outputs) if right else height + width
    nn.init.normal_(weight, std=(2 / fan) ** 0.5)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = ValueNet(2, knobs.pick(12, 14), 3)
    for block in net.tower:
        xavier(block.conv1.weight, repaired)
        xavier(block.conv2.weight, repaired)
    optimizer = kit.sgd(net, lr=0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        board, outcome = batch
        loss = nn.functional.mse_loss(net(board), outcome)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        pieces = (torch.rand(64, 2, 5, 5) < torch.rand(64, 2, 1, 1)).float()
        more = pieces.mean((2, 3))
        batches.append((pieces, (more[:, :1] - more[:, 1:]).sign()))
    return Scenario(net, optimizer, batches, train_step, Expected(("initialisation",), (), (), None, "stalls"))
