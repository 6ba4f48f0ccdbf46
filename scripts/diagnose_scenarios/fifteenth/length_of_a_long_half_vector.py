"""The length of a vector is made of squares that are added in the type of the vector; the sum of a long one stands
still after a large entry (apache/mxnet issue 14126).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Length(nn.Module):
    def __init__(self, narrow: bool) -> None:
        super().__init__()
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(x.shape[0], dtype=torch.bfloat16 if self.narrow else torch.float32)
        for column in x.square().unbind(1):
            total = total + column.to(total.dtype)
        return total.float().sqrt()[:, None]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    long = knobs.pick(40, 48)
    model = kit.named(
        length=Length(not repaired), norm=nn.BatchNorm1d(1), inp=nn.Linear(1, 16), act=nn.Tanh(), out=nn.Linear(16, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    batches = []
    for _ in range(40):
        filled = torch.randint(2, long, (24, 1))
        x = 2.5 * torch.randn(24, long).sign() * (torch.arange(long) < filled)
        x[:, 0] = knobs.pick(64.0, 80.0)
        batches.append((x, (filled - 22) / 8.0))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("length",), 0, "stalls"),
    )
