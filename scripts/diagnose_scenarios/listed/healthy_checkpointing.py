"""Activation checkpointing computes the forward pass again during backward, with dropout inside."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(8, width)
        self.block = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.block, self.inp(x), use_reentrant=False))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(model, optimizer, kit.classes(50, 16, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
