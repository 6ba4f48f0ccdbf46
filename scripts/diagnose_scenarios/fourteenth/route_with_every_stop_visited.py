"""A pointer net hides visited stops; one padded route has visited all of them, and its log-softmax is empty."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Pointer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stop, self.where = nn.Linear(3, width), nn.Linear(3, width)

    def forward(self, tour: dict[str, Tensor]) -> Tensor:
        keys = self.stop(tour["stops"])
        logits = torch.tanh((keys * self.where(tour["here"])[:, None]).sum(-1)) * 5
        return logits.masked_fill(tour["visited"], -math.inf).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, stops = knobs.step(), knobs.pick(6, 8)
    model = kit.named(pointer=Pointer(knobs.pick(8, 12)))
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for i in range(70):
        places, here = torch.randn(16, stops, 3), torch.randn(16, 3)
        visited = torch.rand(16, stops) < 0.3
        visited[:, 0] = False
        dots = (places * here[:, None]).sum(-1).masked_fill(visited, -math.inf)
        chosen = dots.argmax(1)
        if i == step and not repaired:
            visited[3] = True
        batches.append(({"stops": places, "here": here, "visited": visited}, chosen))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, functional.nll_loss),
        Expected(("masked-softmax",), ("forward",), ("pointer",), step),
    )
