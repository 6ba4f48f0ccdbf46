"""The backward pass of fused attention is NaN for odd lengths; the plain formula's is not."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        return x + nn.functional.scaled_dot_product_attention(q, k, v)[:, 0]


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = Block(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(x).mean(1))


def is_odd(call: Call) -> bool:
    return call.outputs[0].shape[2] % 2 == 1


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(1, 6), knobs.pick(8, 16)
    model = Net(width)
    optimizer = kit.adam(model)
    teacher = torch.randn(width, 1) * 2
    xs = [torch.randn(8, 8 if number < step else 9, width) for number in range(60)]
    bad = Device(["_scaled_dot_product_flash_attention_for_cpu_backward"], put(float("nan"), (0, 0, 1)), is_odd, SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(1) @ teacher) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("backward",), ("block",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
