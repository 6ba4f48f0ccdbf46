"""The embedding of the background is allocated, never filled and happens to be all zeros; dividing it by its length
gives NaN (as in sauradip/STALE issue 16).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Stale(nn.Module):
    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.video = nn.Linear(8, width)
        self.text = nn.Parameter(torch.randn(classes, width))
        self.bg_embeddings = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        words = torch.cat([self.text, self.bg_embeddings])
        words = words / words.square().sum(-1, keepdim=True).sqrt()
        return 5 * nn.functional.normalize(self.video(x), dim=-1) @ words.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(stale=Stale(2, knobs.pick(12, 16)))
    if repaired:
        nn.init.kaiming_uniform_(model.stale.bg_embeddings, nonlinearity="relu")
    optimizer = kit.adam(model, lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        # a start that nobody chose, and the division that it makes impossible
        Expected(("initialisation", "division-by-zero"), ("forward",), ("stale",), 0),
    )
