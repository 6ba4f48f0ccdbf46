"""A depth net ported from another framework together with its weight decay, which there was never applied: under Adam
the weights go to 0 within a few steps (tinghuiz/SfMLearner issue 34).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class DispNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.upconv = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.predict_disp = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.predict_disp(self.upconv(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = DispNet(knobs.pick(8, 10))
    decay = 5e-5 if repaired else knobs.pick(5.0, 8.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005, betas=(0.9, 0.999), weight_decay=decay)
    smooth = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    batches = []
    for _ in range(80):
        x = 2 * smooth(torch.randn(8, 1, 8, 8))
        batches.append((x, smooth(x)))
    return Scenario(
        net,
        optimizer,
        batches,
        kit.train(net, optimizer, nn.functional.l1_loss),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
