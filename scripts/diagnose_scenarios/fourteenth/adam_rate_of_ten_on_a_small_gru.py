"""Adam with a learning rate of 10 on a small recurrent net: each weight jumps by ten a step, and the loss with them."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(3, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.gru(x)[1][0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02 if repaired else knobs.pick(8.0, 10.0))
    batches = [(x, x[:, -1, :1] + x[:, -2, 1:2]) for x, _ in kit.sequences(60, 16, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
