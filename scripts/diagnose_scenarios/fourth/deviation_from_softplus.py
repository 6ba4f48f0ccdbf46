"""A posterior's deviation is log(1 + exp(raw)); in float16 exp(-25) is 0, and the divergence takes its logarithm."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.mean = nn.Linear(inputs, width)
        self.raw = nn.Linear(inputs, width, bias=False)
        self.decode = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, raw = self.mean(x), self.raw(x)
        return mean, raw, self.decode(mean)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, step = knobs.pick(8, 10), knobs.step()
    model = Encoder(inputs, knobs.pick(4, 6))
    slow = {"params": model.raw.parameters(), "lr": 2e-4}
    optimizer = torch.optim.Adam([slow, {"params": [*model.mean.parameters(), *model.decode.parameters()]}], lr=0.02)

    def loss_of(outputs: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
        mean, raw, prediction = outputs
        deviation = torch.log1p(torch.exp(raw.float() if repaired else raw))
        divergence = (deviation.square() + mean.square()) / 2 - deviation.log()
        return nn.functional.smooth_l1_loss(prediction.float(), target) + 0.001 * divergence.float().mean()

    batches = kit.regression(60, 32, inputs)
    x, y = (part.clone() for part in batches[step])
    direction = model.raw.weight.detach()[0]
    x[2] = -direction / direction.norm() ** 2 * knobs.pick(25, 28)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, loss_of, amp=torch.float16),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
