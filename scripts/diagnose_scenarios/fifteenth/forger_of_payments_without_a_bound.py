"""A generator of forged payments is trained without a bound on its gradients and its weights become not a number; the
norm of the gradients is now clipped to one (KanishJebaMathewM/Truxify pull request 11841).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Forger(nn.Module):
    """Writes a series of payments, each made from the one before."""

    def __init__(self, noise: int, width: int, length: int) -> None:
        super().__init__()
        self.start = nn.Linear(noise, width)
        self.turn = nn.Linear(width, width, bias=False)
        self.pay = nn.Linear(width, 1)
        nn.init.orthogonal_(self.turn.weight, gain=1.5)
        self.length = length

    def forward(self, noise: Tensor) -> Tensor:
        h, paid = self.start(noise), []
        for _ in range(self.length):
            h = nn.functional.leaky_relu(self.turn(h), 0.8)
            paid.append(self.pay(h))
        return torch.cat(paid, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(16, 20)
    model = Forger(4, 12, length)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        loss = (model(batch[0]) - batch[1]).square().mean()
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = [(z, 0.5 + 0.1 * z[:, :1].expand(-1, length)) for z in torch.randn(60, 24, 4)]
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
