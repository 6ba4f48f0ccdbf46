"""A norm that mixes instance, layer and batch statistics takes the unbiased variance over each picture's pixels; behind
a global pool every picture has one pixel (switchablenorms/Switchable-Normalization issue 5).
"""

from __future__ import annotations

import warnings

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Switchable(nn.Module):
    def __init__(self, width: int, correction: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(1, width, 1, 1)), nn.Parameter(torch.zeros(1, width, 1, 1))
        self.of_mean, self.of_var = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
        self.correction = correction

    def forward(self, x: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            var_in = x.var((2, 3), keepdim=True, correction=self.correction)
        mean_in = x.mean((2, 3), keepdim=True)
        square = var_in + mean_in.square()
        mean_ln, mean_bn = mean_in.mean(1, keepdim=True), mean_in.mean(0, keepdim=True)
        var_ln = square.mean(1, keepdim=True) - mean_ln.square()
        var_bn = square.mean(0, keepdim=True) - mean_bn.square()
        m, v = self.of_mean.softmax(0), self.of_var.softmax(0)
        mean = m[0] * mean_in + m[1] * mean_ln + m[2] * mean_bn
        var = v[0] * var_in + v[1] * var_ln + v[2] * var_bn
        return (x - mean) / (var + 1e-5).sqrt() * self.weight + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        sn1=Switchable(width, 0 if repaired else 1),
        act=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1),
        squeeze=nn.Conv2d(width, width, 1),
        sn2=Switchable(width, 0 if repaired else 1),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    colours = 1.5 * torch.randn(3, 2, 1, 1)
    labels = [torch.randint(3, (16,)) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(colours[y] + torch.randn(16, 2, 6, 6), y) for y in labels],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("sn2",)),
    )
