"""Label smoothing keeps the loss well above 0."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 4)
    optimizer = kit.adam(model, lr=0.02)
    criterion = nn.CrossEntropyLoss(label_smoothing=knobs.pick(0.1, 0.2))
    return Scenario(model, optimizer, kit.classes(60, 16, 8, 4), kit.train(model, optimizer, criterion))
