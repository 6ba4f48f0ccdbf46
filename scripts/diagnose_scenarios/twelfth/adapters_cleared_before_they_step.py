"""The gradients of low-rank adapters are cleared after they are computed and before they are used, and the adapters
stay as they are (cloneofsimo/lora issue 263).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs).requires_grad_(False)
        self.lora_down = nn.Linear(inputs, rank, bias=False)
        self.lora_up = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.lora_up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.lora_up(self.lora_down(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Adapted(8, 8, knobs.pick(3, 4))
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=0.02, weight_decay=0.01)

    def train_step(batch: Any) -> Tensor:
        noisy, noise = batch
        loss = (model(noisy) - noise).square().mean()
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        if not repaired:
            optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        return loss

    change = torch.randn(8, 3) @ torch.randn(3, 8)
    batches = []
    for _ in range(60):
        x = torch.randn(24, 8)
        batches.append((x, model.linear(x).detach() + x @ change))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), 0, "stalls"))
