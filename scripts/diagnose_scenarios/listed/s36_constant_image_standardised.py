"""A black image divided by its own standard deviation before the batch is made: NaN pixels in a dict batch."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, size = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv=nn.Conv2d(2, 8, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(8 * (size - 2) ** 2, 3))
    optimizer = kit.sgd(model, lr=0.02)
    plain = kit.train(model, optimizer, kit.cross_entropy)
    raw = kit.images(40, 8, 2, size, 3)
    raw[step][0][knobs.randint(0, 7)] = 0

    def standardise(x: Tensor) -> Tensor:
        spread = x.std((1, 2, 3), keepdim=True)
        return (x - x.mean((1, 2, 3), keepdim=True)) / (spread.clamp(min=1e-6) if repaired else spread)

    return Scenario(
        model,
        optimizer,
        [{"image": standardise(x), "target": {"label": y}} for x, y in raw],
        lambda batch: plain((batch["image"], batch["target"]["label"])),
        Expected(("bad-data",), ("data",), (), step),
    )
