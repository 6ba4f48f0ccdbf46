"""A deep plain net is trained from scratch with weights of deviation 0.01, as its shallow predecessor was: nothing of
the input reaches its end (facebookarchive/fbcunn issue 75, tensorflow/models issue 991).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    depth, width = knobs.pick(9, 10), 8
    layers: dict[str, nn.Module] = {}
    for number in range(depth):
        layers[f"conv{number}"] = nn.Conv2d(1 if number == 0 else width, width, 3, padding=1)
        layers[f"relu{number}"] = nn.ReLU()
    model = kit.named(**layers, flat=nn.Flatten(), fc=nn.Linear(width * 36, 3))
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if repaired:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    optimizer = kit.sgd(model, lr=0.003, momentum=0.9)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 8, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
