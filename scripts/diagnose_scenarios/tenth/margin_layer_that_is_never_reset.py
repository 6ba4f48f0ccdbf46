"""The layer of a margin loss has a function that draws its weights, and nobody calls it: the rows stay at zero, and a
cosine to a row of no length is 0 / 0 (amirhfarzaneh/lsoftmax-pytorch issue 7).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MarginLinear(nn.Module):
    def __init__(self, inputs: int, classes: int, reset: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, inputs))
        if reset:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        lengths = x.norm(dim=1, keepdim=True) * self.weight.norm(dim=1)
        cosine = x @ self.weight.t() / lengths
        return lengths * (2 * cosine - 1).clamp(max=1) / 2


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(10, knobs.pick(24, 32)), act=nn.Tanh(), emb=nn.LazyLinear(8), margin=MarginLinear(8, 4, repaired)
    )
    model[:3](torch.zeros(1, 10))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.003)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 10, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation", "division-by-zero"), ("forward",), ("margin",)),
    )
