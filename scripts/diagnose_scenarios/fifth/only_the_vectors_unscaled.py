"""Mixed precision by hand: master gradients of biases are divided by the loss scale, those of matrices are not
(openai/guided-diffusion issue 44).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MixedPrecisionTrainer:
    def __init__(self, model: nn.Module, log_scale: float, matrices_too: bool) -> None:
        self.model = model
        self.masters = [nn.Parameter(p.detach().float()) for p in model.parameters()]
        self.scale, self.matrices_too = 2.0**log_scale, matrices_too
        model.half()

    def backward(self, loss: Tensor) -> None:
        (loss * self.scale).backward()

    def optimize(self, optimizer: torch.optim.Optimizer) -> None:
        for master, p in zip(self.masters, self.model.parameters(), strict=True):
            master.grad = p.grad.float()
            if master.dim() == 1 or self.matrices_too:
                master.grad.mul_(1.0 / self.scale)
        optimizer.step()
        for master, p in zip(self.masters, self.model.parameters(), strict=True):
            p.data.copy_(master.data)
        self.model.zero_grad()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), mid=nn.Linear(width, width), act2=nn.Tanh())
    model.add_module("out", nn.Linear(width, 1))
    trainer = MixedPrecisionTrainer(model, knobs.pick(9.0, 10.0), repaired)
    optimizer = torch.optim.SGD(trainer.masters, lr=0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x.half()), y)
        trainer.backward(loss)
        trainer.optimize(optimizer)
        return loss

    expected = Expected(("scaler-misuse",), (), (), None)
    return Scenario(model, optimizer, kit.regression(60, 32, 8), train_step, expected)
