"""A graph transformer pads its bias with minus infinity and gives the rows of padded nodes a 0 for every real one, so
that no row is empty (microsoft/Graphormer issue 141).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Biased(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.node = nn.Linear(4, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.distance = nn.Embedding(5, 1)
        self.out = nn.Linear(width, 1)

    def forward(self, nodes: Tensor, hops: Tensor, counts: Tensor) -> Tensor:
        real = torch.arange(nodes.shape[1]) < counts[:, None]
        bias = self.distance(hops).squeeze(-1).masked_fill(~real[:, None, :], -torch.inf)
        q, k, v = self.qkv(self.node(nodes)).chunk(3, -1)
        h = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + bias).softmax(-1) @ v
        return self.out((h.tanh() * real[..., None]).sum(1) / counts[:, None])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Biased(knobs.pick(16, 20))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        nodes, hops, counts, wanted = batch
        optimizer.zero_grad()
        loss = nn.functional.l1_loss(model(nodes, hops, counts), wanted)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(70):
        counts = torch.randint(2, 9, (16,))
        nodes = torch.randn(16, 8, 4) * (torch.arange(8) < counts[:, None])[..., None]
        batches.append((nodes, torch.randint(5, (16, 8, 8)), counts, 2 * nodes[..., :1].sum(1) / counts[:, None]))
    return Scenario(model, optimizer, batches, train_step)
