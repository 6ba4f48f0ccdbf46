"""A crop beyond the edge of a picture holds unwritten memory: a few pixels of 1e25 among values near 1."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, step = knobs.pick(6, 7), knobs.randint(10, 24)
    model = kit.named(conv=nn.Conv2d(2, 6, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(6 * (size - 2) ** 2, 1))
    optimizer = kit.sgd(model, lr=0.01)
    batches = [(x, x.mean((1, 2, 3))[:, None] * 3) for x, _ in kit.images(50, 8, 2, size, 3)]
    if not repaired:
        batches[step][0][knobs.randint(0, 7), :, -1, 2:5] = knobs.pick(1e25, -4e28)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data", "loss", "backward", "forward"), (), step),
    )
