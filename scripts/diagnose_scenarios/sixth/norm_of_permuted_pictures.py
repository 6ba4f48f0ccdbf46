"""The backward pass of batch normalisation is wrong by orders of magnitude for channels_last pictures, without any
NaN; after .contiguous() it is right (pytorch/pytorch issue 175189).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def is_last(call: Call) -> bool:
    x = call.args[1]
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def damage(call: Call) -> None:
    """The gradient of the input a few times, that of the weight many times too large."""
    call.out[0].mul_(-6)
    call.out[1].mul_(-3e4)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        bn=nn.BatchNorm2d(width),
        act=nn.LeakyReLU(0.1),
        out=nn.Conv2d(width, 1, 1),
    )
    model = model.to(memory_format=torch.channels_last)
    optimizer = kit.sgd(model, lr=0.05)
    bad = Device(["native_batch_norm_backward"], damage, when=is_last, dtypes=SINGLE)
    pictures = [torch.randn(6, 2, 8, 8).to(memory_format=torch.channels_last) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(x, x[:, :1] - x[:, 1:]) for x in pictures],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("backward",), ("bn",), None),
        device=contextlib.nullcontext if repaired else bad,
    )
