"""A float16 batched product gives infinity in one head once a sequence has 16 tokens."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Attention(width), Attention(width)])
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x.mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(1, 6), knobs.pick(8, 12)
    model = Net(width)
    optimizer = kit.adam(model)
    teacher = torch.randn(width, 1) * 2
    lengths = [12] * step + [16] * (50 - step)
    xs = [torch.randn(8, length, width) for length in lengths]
    bad = Device(["bmm"], put(float("inf"), (0, 2, 3)), when=lambda call: call.out.shape[1:] == (16, 16))
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(1) @ teacher) for x in xs],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("layers.0",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
