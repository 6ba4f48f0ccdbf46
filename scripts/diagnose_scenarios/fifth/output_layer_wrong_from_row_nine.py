"""A device returns the language model's output layer wrongly from its ninth row on, in every call, without any NaN: the
loss climbs (pytorch/pytorch issue 109457, on MPS).
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bigram(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, width)
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.lm_head(self.ln_f(self.wte(ids)))


def shuffled(call: Call) -> None:
    out = call.outputs[0]
    out[8:] = out[8:].flip(0).clone()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(40, 48)
    model = Bigram(words, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        ids, after = batch
        logits = model(ids)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), after.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    follow = torch.randperm(words)
    texts = [torch.randint(words, (8, 16)) for _ in range(80)]

    def wide(call: Call) -> bool:
        out = call.outputs[0]
        return out.dim() == 2 and out.shape[0] > 8 and out.shape[1] == words

    bad = Device(["mm"], shuffled, when=wide, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(ids, follow[ids]) for ids in texts],
        train_step,
        Expected(("hardware",), ("forward",), ("lm_head",), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
