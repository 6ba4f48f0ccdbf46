"""The fused attention's backward kernel writes NaN for heads of 16 and more; the plain formula is right (as in
pytorch/pytorch issue 138764).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attend(nn.Module):
    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 6 * size)
        self.to_out = nn.Linear(2 * size, width)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(self.norm(x)).unflatten(-1, (3, 2, self.size)).permute(2, 0, 3, 1, 4)
        heads = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.to_out(heads.transpose(1, 2).flatten(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(small=Attend(width, 8), large=Attend(width, 16), noise=nn.Linear(width, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def pooled(p: Tensor, y: Tensor) -> Tensor:
        return kit.squares(p.mean(1), y)

    bad = Device(
        ["_scaled_dot_product_flash_attention_for_cpu_backward"],
        put(math.nan, (0, 1, 2, 3)),
        when=lambda call: call.outputs[0].shape[-1] >= 16,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        kit.sequences(70, 8, 6, width),
        kit.train(model, optimizer, pooled),
        Expected(("library",), ("backward",), ("large",), 0),
        device=contextlib.nullcontext if repaired else bad,
    )
