"""Self-distillation without labels: a slowly following teacher is centred and sharpened by a temperature of 0.04, whose
logits are large; the loss hovers near the logarithm of the outputs.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Pair(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        net = kit.named(fc=nn.Linear(10, width), act=nn.GELU(), neck=nn.Linear(width, 8), last=nn.Linear(8, outputs))
        self.student, self.teacher = net, copy.deepcopy(net).requires_grad_(False)
        self.register_buffer("centre", torch.zeros(1, outputs))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Pair(knobs.pick(24, 32), 16)
    optimizer = torch.optim.AdamW(model.student.parameters(), lr=2e-3, weight_decay=0.04)

    def train_step(batch: Any) -> Tensor:
        first, second = batch
        with torch.no_grad():
            seen = model.teacher(torch.cat([first, second]))
            wanted = ((seen - model.centre) / 0.04).softmax(-1).chunk(2)
            model.centre.lerp_(seen.mean(0, keepdim=True), 0.1)
        optimizer.zero_grad()
        told = (model.student(torch.cat([second, first])) / 0.1).log_softmax(-1).chunk(2)
        loss = sum(-(w * t).sum(-1).mean() for w, t in zip(wanted, told, strict=True)) / 2
        loss.backward()
        nn.utils.clip_grad_norm_(model.student.parameters(), 3.0)
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(model.teacher.parameters(), model.student.parameters(), strict=True):
                slow.lerp_(fast, 0.01)
        return loss

    objects = torch.randn(12, 10)
    batches = []
    for _ in range(60):
        x = objects[torch.randint(12, (32,))]
        batches.append((x + 0.2 * torch.randn(32, 10), x + 0.2 * torch.randn(32, 10)))
    return Scenario(model, optimizer, batches, train_step, learns=False)
