"""The gradients are cleared in front of every micro-batch instead of after the step, so that only the last of them
counts (pytorch/torchtitan pull request 3575).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, inputs: int, width: int, tasks: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(tasks))

    def forward(self, x: Tensor, task: int) -> Tensor:
        return self.heads[task](self.body(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tasks = knobs.pick(8, 9)
    model = Policy(6, 20, tasks)
    for head in model.heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: list[tuple[Tensor, Tensor]]) -> Tensor:
        total = torch.zeros(())
        if repaired:
            optimizer.zero_grad()
        for task, (x, reward) in enumerate(batch):
            if not repaired:
                optimizer.zero_grad(set_to_none=False)
            loss = (model(x, task) - reward).square().mean() / tasks
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return total

    teacher = nn.functional.normalize(torch.randn(tasks, 6, 1), dim=1)
    batches = []
    for _ in range(50):
        batches.append([(x, x @ teacher[task] + 0.5) for task in range(tasks) for x in [torch.randn(32, 6)]])
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), 0, "stalls"))
