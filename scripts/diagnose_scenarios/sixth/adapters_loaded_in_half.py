"""Low-rank adapters were loaded in float16 along with their base model, and a GradScaler refuses to unscale float16
gradients (huggingface/diffusers issues 6442 and 10752).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lora(nn.Module):
    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(to_q=Lora(nn.Linear(8, 16), 4), act=nn.SiLU(), to_out=Lora(nn.Linear(16, 1), knobs.pick(2, 4)))
    model.half()
    if repaired:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    scaler = kit.new_scaler(2.0**12)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, 8),
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=1.0),
        Expected(("scaler-misuse",), ("optimizer", "backward"), (), 0, "raises"),
        scaler=scaler,
    )
