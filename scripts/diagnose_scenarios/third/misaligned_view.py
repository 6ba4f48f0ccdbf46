"""A matrix kernel is wrong for operands that do not begin at their memory's beginning; copies of them are right."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixer(nn.Module):
    """The second half of the features only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.half = width // 2
        self.inner = nn.Linear(self.half, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x[:, self.half :])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.ReLU(), mix=Mixer(width))
    optimizer = kit.adam(model, lr=0.02)

    def is_off(call: Call) -> bool:
        return call.args[0].storage_offset() != 0 and call.args[0].shape[1] == width // 2 and call.out.shape[1] == 3

    bad = Device(["mm"], put(float("nan"), (2, 1)), when=is_off, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("mix.inner",)),
        device=contextlib.nullcontext if repaired else bad,
    )
