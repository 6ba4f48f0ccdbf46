"""The KL term of a variational coder takes exp of a log-variance of 12 in float16, which is infinite; one sample has
it.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Coder(nn.Module):
    def __init__(self, inputs: int, width: int, code: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.mean = nn.Linear(width, code)
        self.spread = nn.Linear(inputs, code)
        self.decode = nn.Linear(code, inputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = self.mean(torch.tanh(self.body(x)))
        return self.decode(mean), mean, self.spread(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, inputs = knobs.step(), knobs.pick(6, 8)
    model = Coder(inputs, 16, 3)
    optimizer = kit.sgd(model, lr=0.05)

    def criterion(out: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        again, mean, logvar = out
        logvar = logvar.float().clamp(max=8) if repaired else logvar
        kl = -0.5 * (1 + logvar - mean**2 - logvar.exp())
        return (again.float() - x).square().mean() + 0.01 * kl.float().mean()

    mixing = torch.randn(2, inputs).sign()
    xs = [torch.randn(12, 2) @ mixing for _ in range(60)]
    with torch.no_grad():
        row = model.spread.weight[1]
        row.mul_(2.0 / row.norm())
        xs[step][5] = row / row.norm() ** 2 * knobs.pick(14.0, 18.0)
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in xs],
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,), step),
    )
