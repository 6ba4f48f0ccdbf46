"""A vocoder that estimates noise trains under a slowly falling rate that starts on the wrong side of the edge: a
smaller start and a faster fall cured it (ivanvovk/WaveGrad issue 3).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Estimator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Conv1d(1, width, 5, padding=2)
        self.level = nn.Linear(1, width)
        self.mid = nn.Conv1d(width, width, 5, padding=4, dilation=2)
        self.out = nn.Conv1d(width, 1, 1)

    def forward(self, wave: Tensor, level: Tensor) -> Tensor:
        h = self.inp(wave) + self.level(level)[..., None]
        return self.out(nn.functional.leaky_relu(self.mid(nn.functional.leaky_relu(h, 0.2)), 0.2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Estimator(knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(6.0, 9.0), momentum=0.8)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)
    ramp = torch.linspace(0, 6.28, 32)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        noisy = batch["level"].cos()[..., None] * batch["wave"] + batch["level"].sin()[..., None] * batch["noise"]
        loss = (model(noisy, batch["level"]) - batch["noise"]).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    batches = [
        {
            "wave": torch.sin(ramp * torch.randint(1, 4, (16, 1, 1)) + torch.rand(16, 1, 1)),
            "level": 0.4 + torch.rand(16, 1),
            "noise": torch.randn(16, 1, 32),
        }
        for _ in range(60)
    ]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None), extra_state=(scheduler,)
    )
