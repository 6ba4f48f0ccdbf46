"""The weights of a deep residual net are drawn between 0 and 1 instead of around 0: every block multiplies by half its
width.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lin(x.relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(64, 80), 30
    blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
    model = kit.named(inp=nn.Linear(8, width), blocks=blocks, norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    if not repaired:
        for block in blocks:
            nn.init.uniform_(block.lin.weight, 0.0, 1.0)
    optimizer = kit.adam(model, lr=0.002)
    batches = kit.regression(40, 32, 8)
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), (place,)),
    )
