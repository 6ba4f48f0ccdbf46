"""A net that picks the branching variable of an integer program reads its states from stored samples; some samples
hold no number among the columns of the variables (ds4dm/ecole issue 324).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bipartite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cons_embedding = nn.Linear(3, width)
        self.var_embedding = nn.Linear(4, width)
        self.conv_v_to_c = nn.Linear(2 * width, width)
        self.conv_c_to_v = nn.Linear(2 * width, width)
        self.output = nn.Linear(width, 1)

    def forward(self, state: dict[str, Tensor]) -> Tensor:
        c = self.cons_embedding(state["constraints"]).relu()
        v = self.var_embedding(state["variables"]).relu()
        edges = state["edges"]
        c = self.conv_v_to_c(torch.cat([c, edges @ v], -1)).relu()
        v = self.conv_c_to_v(torch.cat([v, edges.transpose(1, 2) @ c], -1)).relu()
        return self.output(v)[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(3, 37)
    model = Bipartite(knobs.pick(12, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(state: dict[str, Tensor]) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(state), state["chosen"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        variables, constraints = torch.randn(12, 6, 4), torch.randn(12, 5, 3)
        edges = (torch.rand(12, 5, 6) < 0.4).float() / 3
        chosen = (2 * variables[..., 0] + variables[..., 1]).argmax(1)
        if number == step:
            variables[knobs.randint(0, 11), knobs.randint(0, 5), 3] = 0.0 if repaired else math.nan
        batches.append({"variables": variables, "constraints": constraints, "edges": edges, "chosen": chosen})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data", "forward"), (), step))
