"""The option for gradient clipping is read and never handed to the trainer of a recurrent separator (as in
chentuochao/Sound_Bubble issue 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bubble(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(2, width, num_layers=2, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0]).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    options = {"lr": 0.02, "grad_clip": 0.5}
    model = Bubble(knobs.pick(16, 20))
    with torch.no_grad():
        for name in ("weight_hh_l0", "weight_hh_l1"):
            weight = getattr(model.rnn, name)
            weight.copy_(torch.eye(len(weight)) * 1.02)
    optimizer = kit.sgd(model, lr=options["lr"])
    batches = []
    for _ in range(60):
        x = torch.randn(8, 50, 2)
        batches.append((x, 0.5 + x[:, :, 0].cumsum(1) / 7))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=options["grad_clip"] if repaired else None),
        Expected(("exploding-gradients",), (), (), None),
    )
