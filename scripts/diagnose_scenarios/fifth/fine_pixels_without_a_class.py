"""Border pixels are labelled 255 and left out by ignore_index, which is what it is for
(the right way in kornia/kornia issue 839).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3, padding=1),
        norm=nn.BatchNorm2d(width),
        relu=nn.ReLU(),
        classifier=nn.Conv2d(width, 5, 1),
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9, weight_decay=1e-4)

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        ce = nn.functional.cross_entropy(logits, labels, ignore_index=255)
        valid = (labels != 255)[:, None]
        onehot = nn.functional.one_hot(labels.masked_fill(labels == 255, 0), 5).movedim(-1, 1)
        p = logits.softmax(1) * valid
        dice = (2 * (p * onehot).sum((0, 2, 3)) + 1) / (p.sum((0, 2, 3)) + (onehot * valid).sum((0, 2, 3)) + 1)
        return ce + 1 - dice.mean()

    colours = torch.randn(5, 3)
    batches = []
    for _ in range(50):
        labels = torch.randint(5, (4, 4, 4)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = colours[labels].permute(0, 3, 1, 2) + 0.3 * torch.randn(4, 3, 8, 8)
        labels[:, ::4] = 255
        labels[0, :, knobs.randint(0, 4) :] = 255
        batches.append((x, labels))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, loss_of))
