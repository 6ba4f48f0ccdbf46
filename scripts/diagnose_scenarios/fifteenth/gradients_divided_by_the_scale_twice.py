"""Gradients are made ready once by the training loop and once more inside the step; divided by the scale of the loss
twice, next to nothing is left of them (THUDM/slime pull request 1842).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 24), act=nn.Tanh(), value=nn.Linear(24, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = kit.new_scaler(2.0 ** knobs.pick(12, 14))

    def ready() -> None:
        for weight in model.parameters():
            weight.grad.div_(scaler.get_scale())

    def train_step(batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            said = model(batch[0])
        loss = kit.squares(said, batch[1])
        scaler.scale(loss).backward()
        if not repaired:
            ready()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        train_step,
        Expected(("scaler-misuse",), (), (), 0, "stalls"),
        scaler=scaler,
    )
