"""zero_grad is called only after a step that the scaler has taken; infinite gradients of a skipped one stay for ever,
and the scale goes to 0 (PaddlePaddle/Paddle issue 67895).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), block=Block(width), head=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 20, 0.8)
    scaler = kit.new_scaler(2.0 ** knobs.pick(22, 23))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        with kit.autocast(torch.float16):
            logits = model(x)
        loss = kit.cross_entropy(logits, y)
        scaler.scale(loss).backward()
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        taken = scaler.get_scale() >= before
        if taken:
            scheduler.step()
        if taken or repaired:
            optimizer.zero_grad()
        return loss

    expected = Expected(("zero-grad",), (), (), None, "stalls")
    return Scenario(
        model,
        optimizer,
        kit.classes(70, 16, 8, 3),
        train_step,
        expected,
        scaler=scaler,
        extra_state=(scheduler,),
    )
