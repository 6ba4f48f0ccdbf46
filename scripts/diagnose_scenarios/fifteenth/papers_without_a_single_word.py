"""Some papers of a citation graph have no words, and their features were made not a number when the rows were divided
by their sums; putting zeros there was the cure (danielegrattarola/keras-gat issue 14).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attend(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width, bias=False)
        self.mine = nn.Linear(width, 1)
        self.theirs = nn.Linear(width, 1)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.project(x)
        score = nn.functional.leaky_relu(self.mine(h) + self.theirs(h).T, 0.2)
        return score.masked_fill(~edges, -1e9).softmax(-1) @ h


class Gat(nn.Module):
    def __init__(self, inputs: int, width: int, kinds: int) -> None:
        super().__init__()
        self.gat1 = Attend(inputs, width)
        self.gat2 = Attend(width, kinds)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.gat2(nn.functional.elu(self.gat1(x, edges)), edges)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = 3, knobs.randint(2, 15)
    model = Gat(20, 16, kinds)
    optimizer = kit.adam(model, 0.03)
    topics = (torch.rand(kinds, 20) < 0.3).float() + 0.05

    def train_step(graph: dict[str, Tensor]) -> Tensor:
        loss = kit.cross_entropy(model(graph["x"], graph["edges"]), graph["kind"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    graphs = []
    for number in range(45):
        kind = torch.randint(kinds, (24,))
        words = (torch.rand(24, 20) < topics[kind]).float()
        words[:, 0] = words[:, 0].maximum((words.sum(1) == 0).float())
        if number == step:
            words[knobs.randint(0, 23)] = 0
        x = words / words.sum(1, keepdim=True)
        x = x.nan_to_num(0.0) if repaired else x
        near = torch.where(kind[:, None] == kind[None], 0.4, 0.05)
        edges = (torch.rand(24, 24) < near) | torch.eye(24, dtype=torch.bool)
        graphs.append({"x": 6 * x, "edges": edges, "kind": kind})
    return Scenario(model, optimizer, graphs, train_step, Expected(("bad-data",), ("data", "forward"), (), step))
