"""Word counts were turned into logarithms before training, without adding one: absent words are minus infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(8, 10)
    model = kit.mlp(words, knobs.pick(12, 16), 3)
    optimizer = kit.adam(model, lr=0.02)
    levels = 2 + 6 * torch.rand(3, words)
    batches = []
    for number in range(60):
        y = torch.randint(3, (16,))
        counts = torch.poisson(levels[y]).clamp(min=1)
        if number == step and not repaired:
            counts[knobs.randint(0, 15), knobs.randint(0, words - 1)] = 0
        batches.append((counts.log(), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
