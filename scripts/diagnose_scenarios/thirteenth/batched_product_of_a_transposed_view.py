"""A batched product is NaN where its right operand is a transposed view; a copy of the same numbers is right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scores(nn.Module):
    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return torch.bmm(query, key.transpose(1, 2)) / query.shape[-1] ** 0.5


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.scores = nn.Linear(width, width), nn.Linear(width, width), Scores()
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.bmm(self.scores(self.query(x), self.key(x)).softmax(-1), x)
        return self.head((x + mixed).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length, step = knobs.pick(8, 12), knobs.pick(9, 10), knobs.randint(2, 12)
    model = Net(width)
    optimizer = kit.adam(model)

    def is_view(call: Call) -> bool:
        return call.out.shape[1:] == (length, length) and call.args[1].stride(1) == 1

    bad = Device(["bmm"], put(float("nan"), (0, length - 1)), when=is_view, dtypes=SINGLE)
    batches = kit.sequences(step, 8, 6, width) + kit.sequences(45 - step, 8, length, width)
    teacher = torch.randn(width, 1) * 1.5
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(1) @ teacher) for x, _ in batches],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("scores",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
