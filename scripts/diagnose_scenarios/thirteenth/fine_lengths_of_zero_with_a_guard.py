"""Zero vectors are brought to length one with a guard under the root: no slope is infinite."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().sum(1, keepdim=True) + 1e-4).sqrt()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    inp, head = nn.Linear(6, 16, bias=False), nn.Linear(16, knobs.pick(2, 3))
    model = kit.named(inp=inp, act=nn.ReLU(), unit=Unit(), head=head)
    optimizer = kit.sgd(model, lr=0.2)
    batches = kit.classes(60, 16, 6, model.head.out_features)
    for number, (x, _) in enumerate(batches):
        x[: number % 4] = 0
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
