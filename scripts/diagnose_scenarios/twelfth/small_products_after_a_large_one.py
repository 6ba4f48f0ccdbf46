"""A fully connected kernel adds its products in half one after the other; once the sum is large, the small ones that
follow are ignored (openvinotoolkit/openvino pull request 25525).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tiled(nn.Module):
    def __init__(self, inputs: int, outputs: int, narrow: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        with torch.no_grad():
            self.weight[:, 0] = 1.0
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        total = x[:, :1] * self.weight[:, 0]
        if self.narrow:
            total = total.half()
        for column in range(1, x.shape[1]):
            product = x[:, column : column + 1] * self.weight[:, column]
            total = total + product.to(total.dtype)
        return total.float()


class Sensor(nn.Module):
    def __init__(self, inputs: int, width: int, narrow: bool) -> None:
        super().__init__()
        self.fc = Tiled(inputs, width, narrow)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.fc(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(10, 14)
    model = Sensor(inputs, 16, not repaired)
    model.fc.weight.register_hook(lambda grad: grad * (torch.arange(inputs) > 0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    teacher = torch.randn(inputs - 1, 1)
    batches = []
    for _ in range(70):
        x = 0.1 * torch.randn(32, inputs)
        x[:, 0] = knobs.pick(9000.0, 12000.0)
        batches.append((x, 5 * x[:, 1:] @ teacher))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("fc",), 0, "stalls"),
    )
