"""A kernel for root-mean-square norms adds up squares in float16: the sum is infinite, its inverse root 0, and the
block returns zeros without any complaint (microsoft/onnxruntime pull request 29045, SKaiNET-developers/SKaiNET issue
1281).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


def squares_in_half(call: Call) -> None:
    total = torch.zeros_like(call.outputs[0])
    for column in call.args[0].split(1, -1):
        total = (total.float() + column.float()).half()
    call.outputs[0].copy_(total / call.args[0].shape[-1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(48, 64)
    model = kit.named(inp=nn.Linear(6, width), norm=RMSNorm(width), act=nn.SiLU(), out=nn.Linear(width, 4))
    with torch.no_grad():
        model.inp.bias.copy_(knobs.pick(80.0, 100.0) * torch.randn(width).sign())
        model.inp.weight.mul_(60)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["mean"], squares_in_half)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 6, 4),
        kit.train(model, optimizer, kit.cross_entropy, scaler=None, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("norm",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
