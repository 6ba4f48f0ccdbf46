"""A scaler that starts at 2^30: the first steps are skipped while it finds its level, which is what it is for."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv1d(2, 6, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(6 * 6, 3))
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0 ** knobs.pick(30, 34))
    batches = [(x.reshape(16, 2, 8), y) for x, y in kit.classes(70, 16, 16, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        scaler=scaler,
    )
