"""The vendor's LSTM kernel returns NaN for batches of 16; the same layer without the vendor's library is right."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(0, 5)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)
    sequences = kit.sequences(step, 8, 6, 4) + kit.sequences(40 - step, 16, 6, 4)
    bad = Device(
        ["mkldnn_rnn_layer"],
        put(float("nan"), (0, 3, 1)),
        when=lambda call: call.args[0].shape[1] == 16,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in sequences],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("lstm",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
