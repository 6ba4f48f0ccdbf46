"""With steps made of several parts the gradients are unscaled after each part, while the scale is updated only once a
step; the second time it refuses (microsoft/Swin-Transformer issue 311).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    parts, begin = knobs.pick(2, 3), knobs.randint(6, 20)
    model = kit.named(embed=nn.Linear(12, 24), act=nn.GELU(), norm=nn.LayerNorm(24), decode=nn.Linear(24, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**12)

    def train_step(step: list[Tensor]) -> Tensor:
        total = torch.zeros(())
        optimizer.zero_grad()
        for number, x in enumerate(step):
            hidden = x * (torch.arange(12) % 3 != 0)
            with kit.autocast(torch.bfloat16):
                said = model(hidden)
            loss = kit.squares(said, x) / len(step)
            scaler.scale(loss).backward()
            if not repaired or number + 1 == len(step):
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            total = total + loss.detach()
        scaler.step(optimizer)
        scaler.update()
        return total

    steps = []
    for number in range(50):
        pieces = torch.randn(1 if number < begin else parts, 32, 3)
        steps.append(list(pieces.repeat_interleave(4, -1) + 0.1 * torch.randn(len(pieces), 32, 12)))
    return Scenario(
        model,
        optimizer,
        steps,
        train_step,
        Expected(("scaler-misuse",), (), (), begin, "raises"),
        scaler=scaler,
    )
