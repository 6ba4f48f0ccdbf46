"""The fused attention kernel is wrong for lengths that are a multiple of 32; the plain formula is right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class Net(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x + self.attn(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(16, 32), knobs.randint(0, 5)
    model = Net(width, knobs.pick(1, 2))
    optimizer = kit.adam(model)
    batches = kit.sequences(step, 8, 24, width) + kit.sequences(40 - step, 8, knobs.pick(32, 64), width)
    teacher = torch.randn(width, 1)
    batches = [(x, x.mean(1) @ teacher) for x, _ in batches]
    bad = Device(
        ["_scaled_dot_product_flash_attention_for_cpu"],
        put(float("nan"), (0, 0, 3)),
        when=lambda call: call.args[0].shape[2] % 32 == 0,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("attn",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
