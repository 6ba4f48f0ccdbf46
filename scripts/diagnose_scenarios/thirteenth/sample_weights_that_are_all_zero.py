"""The loss is a weighted mean, and the weights of one batch, all old records, are zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(8, 20)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        each = nn.functional.cross_entropy(model(batch["x"]), batch["label"], reduction="none")
        total = batch["weight"].sum()
        loss = (each * batch["weight"]).sum() / (total.clamp(min=1e-6) if repaired else total)
        loss.backward()
        optimizer.step()
        return loss

    batches = [{"x": x, "label": y, "weight": torch.rand(16)} for x, y in kit.classes(60, 16, 8, 3)]
    batches[step]["weight"] = torch.zeros(16)
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
