"""The difference of two log-probabilities is bounded before it is exponentiated; a token far from the reference costs
a lot and breaks nothing (OpenRLHF/OpenRLHF pull request 1335, the repair).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(8, 10)
    policy = kit.named(emb=nn.Embedding(words, 12), act=nn.Tanh(), lm_head=nn.Linear(12, words))
    with torch.no_grad():
        policy.lm_head.bias[-1] = -120.0
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        context, token, advantage = batch
        optimizer.zero_grad()
        logp = policy(context).log_softmax(-1).gather(1, token[:, None])[:, 0]
        ratio = (-2.2 - logp).clamp(max=20.0)
        divergence = (ratio.exp() - ratio - 1).clamp(max=10.0)
        loss = (-advantage * logp + 0.02 * divergence).mean()
        loss.backward()
        optimizer.step()
        return loss

    best = torch.randint(words - 1, (words,))
    batches = []
    for number in range(60):
        context = torch.randint(words - 1, (32,))
        token = torch.where(torch.rand(32) < 0.6, best[context], torch.randint(words - 1, (32,)))
        advantage = torch.where(token == best[context], 1.0, 0.05)
        if number % 11 == 4:
            token[3], advantage[3] = words - 1, 0.0
        batches.append((context, token, advantage))
    return Scenario(policy, optimizer, batches, train_step)
