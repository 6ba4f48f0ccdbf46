"""A denoiser sees little noise at first and ever more of it: the loss rises with the noise, as it must, and a scaler
watches over float16.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, knobs.pick(24, 32)), act=nn.SiLU(), out=nn.LazyLinear(6))
    model(torch.zeros(1, 6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**12, growth_interval=20)
    shape = torch.randn(2, 6)
    batches = []
    for number in range(70):
        clean = torch.randn(48, 2) @ shape
        level = 0.1 + 0.04 * number
        batches.append((clean + level * torch.randn(48, 6), clean))
    train_step = kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=1.0)
    return Scenario(model, optimizer, batches, train_step, scaler=scaler, learns=False)
