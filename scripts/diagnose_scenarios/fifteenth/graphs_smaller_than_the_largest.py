"""Graphs of a batch are filled up to the largest with minus infinity in the bias of the attention, whole rows of it;
one layer later the nodes that are there look at the rows that are not (dmlc/dgl issue 5476).
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
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return x + self.out((q @ k.mT / x.shape[-1] ** 0.5 + bias).softmax(-1) @ v)


class Graphormer(nn.Module):
    def __init__(self, inputs: int, width: int, empty: float) -> None:
        super().__init__()
        self.node = nn.Linear(inputs, width)
        self.far = nn.Embedding(4, 1)
        self.layers = nn.ModuleList(Layer(width) for _ in range(2))
        self.head = nn.Linear(width, 1)
        self.empty = empty

    def forward(self, batch: dict[str, Any]) -> Tensor:
        x, there = self.node(batch["x"]), batch["there"]
        both = there[:, :, None] & there[:, None]
        bias = torch.where(both, self.far(batch["far"])[..., 0], self.empty)
        for layer in self.layers:
            x = layer(x, bias)
        x = x.masked_fill(~there[..., None], 0.0)
        return self.head(x.sum(1) / there.sum(1, keepdim=True))[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    largest, step = knobs.pick(6, 7), knobs.randint(3, 16)
    model = Graphormer(5, 12, -1e4 if repaired else float("-inf"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        loss = kit.squares(model(batch), batch["wanted"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(5)
    batches = []
    for number in range(45):
        size = torch.full((24,), largest)
        if number >= step:
            size = torch.randint(3, largest + 1, (24,))
            size[0] = 3
        there = torch.arange(largest) < size[:, None]
        x = torch.randn(24, largest, 5) * there[..., None]
        wanted = 1 + (x @ teacher).sum(1) / size
        far = torch.randint(4, (24, largest, largest))
        batches.append({"x": x, "there": there, "far": far, "wanted": wanted})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("masked-softmax",), ("forward",), ("layers.0", "layers.1"), step),
    )
