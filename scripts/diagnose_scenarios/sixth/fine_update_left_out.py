"""Policy optimisation stops its passes over a rollout once the policy has moved too far: in many steps some updates
are left out, in a few nearly all (DLR-RM/stable-baselines3, target_kl).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    actions = knobs.pick(3, 4)
    policy = kit.mlp(4, 24, actions)
    optimizer = kit.adam(policy, lr=0.03)
    value = torch.randn(4, actions)

    def train_step(states: Tensor) -> Tensor:
        with torch.no_grad():
            before = policy(states).log_softmax(-1)
            chosen = torch.multinomial(before.exp(), 1)
            before = before.gather(1, chosen)
            gain = (states @ value).gather(1, chosen)
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        loss = torch.zeros(())
        for _ in range(6):
            ratio = policy(states).log_softmax(-1).gather(1, chosen) - before
            if ((ratio.exp() - 1) - ratio).mean() > 0.003:
                break
            loss = -torch.min(ratio.exp() * gain, ratio.exp().clamp(0.8, 1.2) * gain).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss

    return Scenario(policy, optimizer, [torch.randn(64, 4) for _ in range(40)], train_step, learns=False)
