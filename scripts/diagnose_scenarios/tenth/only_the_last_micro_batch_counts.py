"""Micro-batches come sorted, and the gradients are cleared inside their loop: each step follows the last one alone,
away from all of the others (bytetriper/RAE issue 67).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes = knobs.pick(4, 5)
    model = kit.mlp(6, 24, classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    centres = 2 * torch.randn(classes, 6)

    def train_step(batch: list[tuple[Tensor, Tensor]]) -> Tensor:
        total = torch.zeros(())
        if repaired:
            optimizer.zero_grad(set_to_none=True)
        for x, y in batch:
            if not repaired:
                optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(x), y) / len(batch)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    batches = [
        [(centres[label] + torch.randn(12, 6), torch.full((12,), label, dtype=torch.long)) for label in range(classes)]
        for _ in range(60)
    ]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("zero-grad",), ("optimizer", "backward"), (), None, "diverges"),
    )
