"""A denoiser learns the noise, and a moving average of its weights follows."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(inp=nn.Linear(5, width), act=nn.SiLU(), mid=nn.Linear(width, width), act2=nn.SiLU())
    model.add_module("eps", nn.Linear(width, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))

    def train_step(batch: Any) -> Tensor:
        clean, noise, level = batch
        optimizer.zero_grad()
        noisy = level.cos() * clean + level.sin() * noise
        loss = kit.squares(model(torch.cat([noisy, level], 1)), noise)
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        return loss

    clean = torch.randn(1, 4)
    batches = [(clean.expand(64, 4), torch.randn(64, 4), 0.3 + 1.2 * torch.rand(64, 1)) for _ in range(80)]
    return Scenario(model, optimizer, batches, train_step, extra_state=(average,))
