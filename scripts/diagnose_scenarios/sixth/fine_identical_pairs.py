"""Anchor and positive are often the same text: their distance is exactly 0, and torch's vector norm has a slope of 0
there (huggingface/sentence-transformers pull request 4033, the repair).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU(), emb=nn.LazyLinear(6))
    model(torch.zeros(1, 8))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        anchor, positive, negative = (model(part) for part in batch)
        near = torch.linalg.vector_norm(anchor - positive, dim=1)
        far = torch.linalg.vector_norm(anchor - negative, dim=1)
        loss = (near - far + 2.0).relu().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    topics = 1.5 * torch.randn(4, 8)
    batches = []
    for _ in range(60):
        topic = torch.randint(4, (24,))
        anchor = topics[topic] + 0.5 * torch.randn(24, 8)
        positive = topics[topic] + 0.5 * torch.randn(24, 8)
        positive[:6] = anchor[:6]
        other = (topic + torch.randint(1, 4, (24,))) % 4
        batches.append((anchor, positive, topics[other] + 0.5 * torch.randn(24, 8)))
    return Scenario(model, optimizer, batches, train_step)
