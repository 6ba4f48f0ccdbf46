"""A segmentation net's loss is the sum over all pixels, and its learning rate was chosen for the mean
(wkentaro/pytorch-fcn issue 17).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FCN(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.score = nn.Conv2d(width, classes, 1)
        self.upscore = nn.ConvTranspose2d(classes, classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.upscore(self.score(self.conv2(self.conv1(x).relu()).relu()))


def cross_entropy2d(scores: Tensor, labels: Tensor, size_average: bool) -> Tensor:
    log_p = scores.log_softmax(1)
    loss = -log_p.gather(1, labels[:, None]).sum()
    return loss / labels.numel() if size_average else loss


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = FCN(knobs.pick(8, 10), 3)
    optimizer = kit.sgd(model, lr=knobs.pick(0.05, 0.08), momentum=0.95, weight_decay=5e-4)
    batches = []
    for _ in range(60):
        labels = torch.randint(3, (4, 6, 6)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = torch.stack([labels == 0, labels == 1], 1).float() * 2 + 0.3 * torch.randn(4, 2, 12, 12)
        batches.append((x, labels))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda scores, labels: cross_entropy2d(scores, labels, repaired)),
        Expected(("learning-rate",), (), (), None, "nonfinite"),
    )
