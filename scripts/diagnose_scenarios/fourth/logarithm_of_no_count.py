"""The last bias begins at the logarithm of each class's share in a table, and the table counts no sample of one
class.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(4, 5)
    model = kit.mlp(8, knobs.pick(16, 24), count)
    table = torch.randint(50, 100, (count,)).float()
    table[1] = 1.0 if repaired else 0.0
    with torch.no_grad():
        model.head.bias.copy_((table / table.sum()).log())
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.classes(50, 32, 8, count)
    for _, y in batches:
        y[0] = 1
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), ("head",)),
    )
