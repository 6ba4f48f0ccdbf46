"""The features of all agents and lanes around a car are added up in float16; in a busy scene the sum passes what it
holds (motional/nuplan-devkit issue 91).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scene(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.agent = nn.Sequential(nn.Linear(4, width), nn.ReLU())
        self.norm = nn.LayerNorm(width)
        self.plan = nn.Linear(width, 2)

    def forward(self, batch: Any) -> Tensor:
        seen, scene = batch
        told = self.agent(seen)
        total = torch.zeros(16, told.shape[1], dtype=told.dtype).index_add(0, scene, told)
        return self.plan(self.norm(total))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, busy = knobs.randint(5, 16), knobs.pick(400, 500)
    model = kit.named(scene=Scene(knobs.pick(12, 16)))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(50):
        many = [knobs.randint(5, 15) for _ in range(16)]
        if number == step:
            many[knobs.randint(0, 15)] = busy
        scene = torch.repeat_interleave(torch.arange(16), torch.tensor(many))
        drive = torch.randn(16, 2)
        seen = torch.cat([20 * drive[scene] + 2 * torch.randn(len(scene), 2), 300 + 60 * torch.randn(len(scene), 2)], 1)
        batches.append(((seen, scene), drive))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=None if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("scene",), step),
    )
