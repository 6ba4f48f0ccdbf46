"""One softmax of one step returns an infinite probability; the same call is right before and ever after."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Weights(nn.Module):
    def forward(self, scores: Tensor) -> Tensor:
        return scores.softmax(-1)


class Mixer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.value, self.weights = nn.Linear(width, width), nn.Linear(width, width), Weights()

    def forward(self, x: Tensor) -> Tensor:
        key = self.key(x)
        return self.weights(key @ key.mT / key.shape[-1] ** 0.5) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mixer, self.head = Mixer(width), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x + self.mixer(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 12), knobs.step()
    model = Net(width)
    optimizer = kit.adam(model)
    spot = (knobs.randint(0, 7), knobs.randint(0, 4), knobs.randint(0, 4))
    bad = Device(["_softmax"], put(float("inf"), spot), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, 8, 5, width),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("mixer.weights",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
