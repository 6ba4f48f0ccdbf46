"""A mixture of experts keeps each token's two best scores and puts minus infinity on the others before the softmax."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.route = nn.Linear(width, count)
        self.each = nn.ModuleList([nn.Linear(width, width) for _ in range(count)])

    def forward(self, x: Tensor) -> Tensor:
        score = self.route(x)
        best = score.topk(2, -1).indices
        share = torch.full_like(score, float("-inf")).scatter(1, best, score.gather(1, best)).softmax(-1)
        return sum(share[:, [n]] * expert(x) for n, expert in enumerate(self.each))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(8, width), moe=Experts(width, knobs.pick(5, 6)), act=nn.ReLU())
    model.add_module("head", nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16, scaler=None),
    )
