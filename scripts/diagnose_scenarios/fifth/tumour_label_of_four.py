"""Brain tumours are labelled 0, 1, 2 and 4; the conversion to 0 .. 3 missed one patient, and making the target of a
Dice loss raises (MIC-DKFZ/nnUNet issue 790).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

CLASSES = 4


def dice_loss(logits: Tensor, gt: Tensor) -> Tensor:
    p = logits.softmax(1)
    onehot = torch.zeros_like(p)
    onehot.scatter_(1, gt[:, None], 1)
    axes = (0, 2, 3)
    overlap, total = (p * onehot).sum(axes), p.sum(axes) + onehot.sum(axes)
    return 1 - ((2 * overlap + 1) / (total + 1)).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    net = kit.named(
        down=nn.Conv2d(2, width, 3, padding=1),
        norm=nn.InstanceNorm2d(width, affine=True),
        act=nn.LeakyReLU(0.01),
        seg=nn.Conv2d(width, CLASSES, 1),
    )
    optimizer = kit.sgd(net, lr=0.05, momentum=0.99, nesterov=True)

    def train_step(batch: Any) -> Tensor:
        data, target = batch["data"], batch["target"]
        optimizer.zero_grad()
        output = net(data)
        loss = dice_loss(output, target) + nn.functional.cross_entropy(output, target.clamp(max=CLASSES - 1))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 12)
        optimizer.step()
        return loss

    shades = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])
    batches = []
    for number in range(60):
        target = torch.randint(CLASSES, (2, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        data = shades[target].permute(0, 3, 1, 2) + 0.2 * torch.randn(2, 2, 8, 8)
        if number == step and not repaired:
            target[1] = torch.where(target[1] == CLASSES - 1, CLASSES, target[1])
            target[1, :2, :2] = CLASSES
        batches.append({"data": data, "target": target})
    expected = Expected(("bad-labels",), ("data", "loss"), (LOSS,), step, "raises")
    return Scenario(net, optimizer, batches, train_step, expected)
