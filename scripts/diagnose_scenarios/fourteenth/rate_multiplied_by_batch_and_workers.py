"""The linear scaling rule is applied with the batch and again with the workers: 0.1 becomes 25 on a convolutional
net.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, workers = knobs.pick(4, 6), knobs.pick(32, 64)
    batch = 8
    model = kit.named(
        conv1=nn.Conv2d(2, width, 3),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3),
        act2=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 4, 1),
    )
    optimizer = kit.sgd(model, lr=0.1 * (1 if repaired else batch * workers / 8), momentum=0.5)
    batches = [(x, y[:, None].float()) for x, y in kit.images(60, batch, 2, 6, 2)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
