"""Adam on a recurrent net with a learning rate of 5, where 0.005 was meant: the loss stays far above its beginning."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(3, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = kit.adam(model, lr=0.02 if repaired else knobs.pick(5.0, 6.0))
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(60, 16, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
