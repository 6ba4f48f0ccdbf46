"""A language model stops with an illegal memory access on a card whose voltage was lowered; benchmarks and games had
run well, and at the default voltage the model does too (h2oai/h2ogpt issue 490).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return x + self.proj((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v)


def illegal(call: Call) -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = knobs.pick(8, 10), knobs.randint(8, 30)
    model = kit.named(embed=nn.Embedding(words, 16), block=Block(16), head=nn.Linear(16, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    follow = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(model(text).flatten(0, 1), follow[text].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    # Two batched products forward and four backward in every step; the first of the forward ones fails.
    bad = Device(["bmm"], illegal, dtypes=SINGLE, calls=[6 * step + 1])
    return Scenario(
        model,
        optimizer,
        [torch.randint(words, (8, 5)) for _ in range(40)],
        train_step,
        Expected(("hardware",), ("forward",), ("block",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
