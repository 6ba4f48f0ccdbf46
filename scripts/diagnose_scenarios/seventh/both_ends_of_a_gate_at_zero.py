"""Two layers in a row begin at zero, so that neither passes a gradient to the other (as in yz93/LAVT-RIS issue 25)."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()).tanh()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(gate=Gate(width), head=nn.Linear(width, 1, bias=False))
    nn.init.zeros_(model.gate.second.weight)
    if not repaired:
        nn.init.zeros_(model.gate.first.weight)
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, (3 * y).tanh()) for x, y in kit.regression(60, 64, width)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
