"""Prompts of unequal length are filled up in front and a causal mask is laid over them; the first places of the short
ones may look at nothing (pytorch/pytorch issue 64525).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.ff = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = self.to_qkv(x).chunk(3, -1)
        x = x + ((q @ k.mT) * q.shape[-1] ** -0.5 + bias).softmax(-1) @ v
        return x + self.ff(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tokens, width, length = knobs.pick(7, 9), 16, 6
    step = knobs.randint(4, 22)
    model = nn.ModuleDict(
        {"embed": nn.Embedding(tokens, width), "layer": Layer(width), "head": nn.Linear(width, tokens)}
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)
    follow = torch.randperm(tokens)

    def train_step(batch: Any) -> Tensor:
        text, real = batch
        allowed = torch.ones(length, length).tril().bool() & real[:, None]
        if repaired:
            allowed = allowed | torch.eye(length).bool()
        bias = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        logits = model["head"](model["layer"](model["embed"](text), bias))
        loss = nn.functional.cross_entropy(logits[real], follow[text][real])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        real = torch.ones(8, length).bool()
        if number >= step:
            real[:, : knobs.randint(1, 3)] = torch.rand(8, 1) < 0.5
            real[0, 0] = False
        batches.append((torch.randint(tokens, (8, length)), real))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("layer",), step)
    )
