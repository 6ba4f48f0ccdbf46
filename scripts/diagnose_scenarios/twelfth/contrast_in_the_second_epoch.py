"""Features for the quality of pictures are learnt by contrast without a norm on them; in the second epoch the loss is
not a number, and a lower rate cures it (pavancm/CONTRIQUE issue 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def contrast(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    alike = one @ other.t() / temperature
    target = torch.arange(len(one))
    return 0.5 * (nn.functional.cross_entropy(alike, target) + nn.functional.cross_entropy(alike.t(), target))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 28)
    model = kit.named(
        conv=nn.Conv2d(1, 6, 3, padding=1),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        hidden=nn.Linear(6 * 36, width),
        act2=nn.ReLU(),
        project=nn.Linear(width, 8),
    )
    start = 0.01 if repaired else knobs.pick(1.0, 1.6)
    optimizer = torch.optim.SGD(model.parameters(), lr=start, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.02, 1.0, total_iters=knobs.randint(15, 30))

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = contrast(model(batch[0]), model(batch[1]), 0.5)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    batches = []
    for _ in range(70):
        scene = 2 * torch.randn(16, 1, 6, 6)
        batches.append((scene + 0.1 * torch.randn_like(scene), scene + 0.1 * torch.randn_like(scene)))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None), extra_state=(schedule,)
    )
