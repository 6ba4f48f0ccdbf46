"""Proximal policy optimisation: several passes over one rollout in a step, a clipped ratio, and a loss around 0 that
says little.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.003)

    def train_step(batch: Any) -> Tensor:
        x, good = batch
        with torch.no_grad():
            before = model(x).log_softmax(-1)
        action = torch.multinomial(before.exp(), 1)
        reward = (action[:, 0] == good).float()
        advantage = (reward - reward.mean()) / (reward.std() + 1e-6)
        for _ in range(3):
            now = model(x).log_softmax(-1)
            ratio = (now - before).gather(1, action)[:, 0].exp()
            gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            loss = -gain.mean() + 0.01 * (now.exp() * now).sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.classes(40, 32, 6, 3), train_step, learns=False)
