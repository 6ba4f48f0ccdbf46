"""A set predictor of boxes whose rate was raised far above the published one: the box heads diverge and become NaN
(facebookresearch/detr issue 285).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Boxes(nn.Module):
    def __init__(self, width: int, queries: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, width, 4, stride=4)
        self.query = nn.Parameter(torch.randn(queries, width))
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.box = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.backbone(x).flatten(2).transpose(1, 2)
        query = self.query.expand(len(x), -1, -1)
        return self.box(query + self.attn(query, tokens, tokens, need_weights=False)[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    queries = knobs.pick(4, 5)
    model = Boxes(16, queries)
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(30.0, 50.0), momentum=0.9)
    patterns = torch.randn(6, 3, 16, 16)
    places = torch.rand(6, queries, 4)
    chosen = [torch.randint(6, (16,)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(patterns[i] + 0.2 * torch.randn(16, 3, 16, 16), places[i]) for i in chosen],
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
