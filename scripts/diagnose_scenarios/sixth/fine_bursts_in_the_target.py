"""Series with rare bursts a thousand times their usual size, under a Huber loss and clipping: single losses stand far
out (RaoFoundation/bittensor pull request 229, the repair).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Last(nn.Module):
    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0].mean(1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(gru=Last(5, knobs.pick(12, 16)), head=nn.LazyLinear(1))
    model(torch.zeros(1, 6, 5))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number, (x, y) in enumerate(kit.sequences(80, 16, 6, 5)):
        if number % 13 == 7:
            y[knobs.randint(0, 15)] = 1000.0
        batches.append((x, y))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, nn.functional.huber_loss, clip=1.0), learns=False
    )
