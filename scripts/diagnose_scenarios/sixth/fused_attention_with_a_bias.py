"""The fused attention kernel gives NaN for a mask of additive numbers once a text has 12 words; the plain formula on
the same numbers does not (pytorch/pytorch issue 109517).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Buffer(-0.1 * (torch.arange(longest)[:, None] - torch.arange(longest)).abs().float())

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        q, k, v = (part[:, None] for part in self.qkv(x).chunk(3, -1))
        mask = self.bias[:length, :length]
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 16), knobs.step()
    model = kit.named(attn=Attention(width, 16), norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(
        ["_scaled_dot_product_flash_attention_for_cpu"],
        put(math.nan, (0, 0, 3)),
        when=lambda call: call.args[0].shape[2] >= 12,
        dtypes=SINGLE,
    )
    batches = []
    for number in range(50):
        x = torch.randn(8, 14 if number == step else 9, width)
        batches.append((x, (x[..., :1] + x[..., 1:2].roll(1, 1)) / 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("attn",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
