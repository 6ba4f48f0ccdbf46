"""Nine of ten positions carry the label that is ignored, but never all of a batch."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(4, 5)
    model = kit.mlp(8, 16, count)
    optimizer = kit.adam(model, lr=0.03)
    batches = kit.classes(80, 64, 8, count)
    for _, y in batches:
        hidden = torch.rand(64) < 0.9
        hidden[0] = False
        y[hidden] = -100
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
