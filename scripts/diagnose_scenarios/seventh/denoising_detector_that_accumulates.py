"""Half of an engine's branches forgets zero_grad, so that old gradients stay in the ones that are clipped (as in
IDEA-Research/DN-DETR issue 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Detr(nn.Module):
    def __init__(self, queries: int, width: int) -> None:
        super().__init__()
        self.query_embed = nn.Embedding(queries, width)
        self.memory = nn.Linear(6, width)
        self.bbox = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.memory(x)
        share = (self.query_embed.weight @ memory.transpose(1, 2) / memory.shape[-1] ** 0.5).softmax(-1)
        return self.bbox(share @ memory)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Detr(3, knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=0.1)
    max_norm = knobs.pick(50.0, 80.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = (model(x) - y[:, None]).square().mean()
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        y = torch.randn(8, 2)
        x = torch.cat([y.repeat(1, 3)[:, None].expand(8, 4, 6)], 1) + 0.1 * torch.randn(8, 4, 6)
        batches.append((x, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
