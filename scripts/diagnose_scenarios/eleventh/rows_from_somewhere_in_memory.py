"""With much memory of a card in use, some rows of a result are those of another result; no error is raised, only some
of the cards of the same kind do it, and accuracies come out plainly wrong (tensorflow/tensorflow issue 4968).
"""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    many, width, kinds = knobs.pick(48, 64), knobs.pick(20, 24), 4
    model = kit.named(
        fc6=nn.Linear(12, 16),
        relu6=nn.ReLU(),
        fc7=nn.Linear(16, width),
        relu7=nn.ReLU(),
        fc8=nn.Linear(width, kinds),
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)

    def stale(call: Call) -> None:
        """All rows but some of the first hold what lies elsewhere in the buffer."""
        rows = call.out[4:]
        rows.copy_(rows.roll(7, 0))

    return Scenario(
        model,
        optimizer,
        kit.classes(60, many, 12, kinds),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("fc7",), 0, "stalls"),
        device=contextlib.nullcontext
        if repaired
        else Device(["addmm"], stale, when=shaped(many, width), dtypes=SINGLE),
    )
