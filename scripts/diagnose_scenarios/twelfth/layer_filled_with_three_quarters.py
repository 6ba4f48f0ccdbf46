"""Someone sets every weight of a layer to three quarters; its units all say the same and get the same gradient, and
the layer learns nothing (keras-team/keras issue 16539).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, kinds = knobs.pick(20, 24), 10
    model = nn.Sequential(nn.Linear(inputs, 10), nn.Tanh(), nn.Linear(10, kinds))
    with torch.no_grad():
        if not repaired:
            for layer in (model[0], model[2]):
                layer.weight.fill_(0.75)
                layer.bias.fill_(0.25)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    centres = torch.randn(kinds, inputs)
    centres = centres - centres.mean(1, keepdim=True)
    batches = []
    for _ in range(45):
        y = torch.randint(kinds, (32,))
        batches.append((centres[y] + 0.5 * torch.randn(32, inputs), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
