"""AdamW with a weight decay of 0.1, of which a reader asked whether it could be meant; it is, and harmless at such a
rate (THUDM/AgentTuning issue 54).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(
        inp=nn.Linear(8, width), norm=nn.LayerNorm(width), act=nn.GELU(), mid=nn.Linear(width, width), act2=nn.GELU()
    )
    model.add_module("head", nn.Linear(width, 4))
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)
    plain = kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16, clip=1.0)

    def train_step(batch: object) -> torch.Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 32, 8, 4), train_step, extra_state=(scheduler,))
