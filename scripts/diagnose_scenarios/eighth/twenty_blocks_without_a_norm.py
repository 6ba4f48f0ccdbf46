"""Residual blocks add to one another without any normalisation: the signal grows from block to block, and the
gradient with it, until a plain loop loses it (RaoFoundation/bittensor pull request 229).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.kaiming_normal_(self.up.weight)
        nn.init.kaiming_normal_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up(self.norm(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    blocks = {f"block{number}": Block(width, repaired) for number in range(20)}
    last = nn.LayerNorm(width) if repaired else nn.Identity()
    model = kit.named(inp=nn.Linear(6, width), **blocks, last=last, head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("exploding-gradients",), (), (), None),
    )
