"""The penalty takes the root of the squared slopes of the critic; where an empty mask hides the whole picture, the
slopes are 0 and the derivative of the root is infinite (keras-team/keras-io issue 910).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Critic(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, width), nn.Linear(width, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.fc2(nn.functional.leaky_relu(self.fc1(x * mask), 0.2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Critic(9, knobs.pick(32, 48))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, betas=(0.5, 0.9))
    eps = 1e-12 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        real, fake, mask = batch
        optimizer.zero_grad()
        mixed = torch.lerp(real, fake, torch.rand(len(real), 1)).requires_grad_()
        (slopes,) = torch.autograd.grad(model(mixed, mask).sum(), mixed, create_graph=True)
        length = (slopes.square().sum(1) + eps).sqrt()
        loss = model(fake, mask).mean() - model(real, mask).mean() + 10 * ((length - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        mask = (torch.rand(32, 9) < 0.7).float()
        mask[:, 0] = 1
        if number == step:
            mask[knobs.randint(0, 31)] = 0
        batches.append((torch.randn(32, 9) * 0.2 + 1, torch.randn(32, 9), mask))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step),
    )
