"""A device adds up float16 numbers in float16 along a dimension: large ones that cancel are infinite on the way
(pytorch/pytorch issue 2391).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Balance(nn.Module):
    def forward(self, postings: Tensor) -> Tensor:
        return postings.sum(1)


class Ledger(nn.Module):
    def __init__(self, inputs: int, width: int, amount: float) -> None:
        super().__init__()
        self.amount = amount
        self.post = nn.Linear(inputs, width)
        self.balance = Balance()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[1] // 2
        sign = torch.cat([torch.ones(half), -torch.ones(half)])[:, None]
        postings = self.post(x) + (sign * self.amount).to(torch.float16)
        return self.out(self.norm(self.balance(postings)))


def added_in_half(call: Call) -> None:
    total = torch.zeros_like(call.outputs[0])
    for row in call.args[0].unbind(1):
        total = (total.float() + row.float()).half()
    call.outputs[0].copy_(total)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Ledger(4, knobs.pick(10, 12), knobs.pick(8000.0, 16000.0))
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(["sum"], added_in_half, when=lambda call: call.args[0].dim() == 3)
    centres = 60 * torch.randn(3, 4)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (16,))
        batches.append((centres[y][:, None] + 10 * torch.randn(16, 20, 4), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("balance",)),
        device=contextlib.nullcontext if repaired else bad,
    )
