"""A net is spread over two cards, and what is copied from the first to the second arrives as the buffer was before;
with the IOMMU switched off in the BIOS the copies are right (pytorch/pytorch issue 84803).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ToTheOtherCard(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class Stale:
    """Hands out the bytes that the receiving buffer held last."""

    def __init__(self) -> None:
        self.held: Tensor | None = None

    def __call__(self, call: Call) -> None:
        sent = call.out.detach().numpy().copy()
        call.out.copy_(torch.zeros_like(call.out) if self.held is None else self.held)
        self.held = torch.from_numpy(sent)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, batch = knobs.pick(16, 24), 32
    model = kit.named(
        first=nn.Linear(8, width),
        act=nn.ReLU(),
        link=ToTheOtherCard(),
        second=nn.Linear(width, width),
        act2=nn.ReLU(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.003)
    bad = Device(["clone"], Stale(), when=shaped(batch, width), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, batch, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("link",), 0, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
