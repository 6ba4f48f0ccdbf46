"""Low-rank adapters on a frozen net: the second factor starts at 0, so that the first one's gradient is exactly 0 in
the first step, which is as it should be (microsoft/LoRA issue 59).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class LoRA(nn.Module):
    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=5**0.5)
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x)) * self.scaling


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, rank = knobs.pick(32, 40), knobs.pick(4, 6)
    model = kit.named(
        fc1=LoRA(nn.Linear(8, width), rank, 16.0), act=nn.GELU(), fc2=LoRA(nn.Linear(width, 3), rank, 16.0)
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5)
    plain = kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16)

    def train_step(batch: object) -> Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 24, 8, 3), train_step, extra_state=(scheduler,))
