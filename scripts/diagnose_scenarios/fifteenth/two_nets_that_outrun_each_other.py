"""A generator and its judge are trained at too high a rate, and after a few minutes all is not a number; at a lower
one it does not happen (manicman1999/StyleGAN2-Tensorflow-2.0 issue 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gan(nn.Module):
    def __init__(self, noise: int, width: int) -> None:
        super().__init__()
        self.generate = nn.Sequential(nn.Linear(noise, width), nn.LeakyReLU(0.2), nn.Linear(width, 4))
        self.judge = nn.Sequential(nn.Linear(4, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Gan(4, knobs.pick(24, 32))
    rate = 0.01 if repaired else knobs.pick(0.9, 1.2)
    judge = torch.optim.SGD(model.judge.parameters(), lr=rate)
    generate = torch.optim.SGD(model.generate.parameters(), lr=rate)

    def train_step(real: Tensor) -> Tensor:
        made = model.generate(torch.randn(len(real), 4))
        judge.zero_grad()
        wrong = (model.judge(real) - 1).square().mean() + model.judge(made.detach()).square().mean()
        wrong.backward()
        judge.step()
        generate.zero_grad()
        fooled = (model.judge(made) - 1).square().mean()
        fooled.backward()
        generate.step()
        return wrong + fooled

    batches = [2 + torch.randn(32, 4) @ torch.randn(4, 4) / 2 for _ in range(60)]
    expected = Expected(("learning-rate",), (), (), None)
    return Scenario(model, judge, batches, train_step, expected, learns=False, extra_state=(generate,))
