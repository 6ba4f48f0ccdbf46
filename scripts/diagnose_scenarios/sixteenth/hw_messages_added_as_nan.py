"""Summing the messages of a graph with index_add gives NaN at the last node, only for graphs of more than 64 edges."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spread(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Linear(width, width)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        sent = self.message(x)[edges[0]]
        return torch.zeros_like(x).index_add(0, edges[1], sent)


class GraphNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encode = nn.Linear(4, width)
        self.spread = Spread(width)
        self.decode = nn.Linear(width, 1)

    def forward(self, graph: dict[str, Tensor]) -> Tensor:
        h = torch.relu(self.encode(graph["x"]))
        return self.decode(h + 0.2 * torch.tanh(self.spread(h, graph["edges"])))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(14, 18)
    model = GraphNet(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.01)
    teacher = torch.randn(4, 1)
    graphs = []
    for i in range(50):
        x, count = torch.randn(nodes, 4), 70 if i >= step else knobs.randint(30, 60)
        graphs.append({"x": x, "edges": torch.randint(nodes, (2, count)), "y": x @ teacher})

    def train_step(graph: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = (model(graph) - graph["y"]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def damage(call: Call) -> None:
        call.out[-1, 0] = math.nan

    bad = Device(["index_add", "index_add_"], damage, when=lambda call: call.args[2].shape[0] > 64, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        graphs,
        train_step,
        Expected(("hardware",), ("forward",), ("spread",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
