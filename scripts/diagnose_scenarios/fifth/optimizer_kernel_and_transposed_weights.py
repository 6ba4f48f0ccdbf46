"""A kernel of Adam's last operation takes every weight for one laid out row by row; a weight stored transposed has its
updates written to the wrong places (pytorch/pytorch issue 118115, on MPS).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Projection(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter((torch.randn(inputs, outputs) / inputs**0.5).t())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.t()


def laid_out_wrongly(call: Call) -> None:
    out = call.outputs[0]
    out.copy_(out.t().reshape(out.shape).clone())


def transposed(call: Call) -> bool:
    out = call.outputs[0]
    return out.dim() == 2 and not out.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 24)
    model = kit.named(proj=Projection(8, width), act=nn.Tanh(), head=nn.Linear(width, 3))
    model.head.requires_grad_(False)
    optimizer = torch.optim.Adam(model.proj.parameters(), lr=0.02)
    bad = Device(["addcdiv_"], laid_out_wrongly, when=transposed, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("optimizer",), ("proj",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
