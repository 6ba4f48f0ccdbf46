"""An estimate of a divergence exponentiates the difference of two log-probabilities and clips the result: the clipped
value is a number, its gradient 0 times infinity (OpenRLHF/OpenRLHF pull request 1335).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """One token was switched off in the policy by a bias of -110, and was sampled by the reference once."""
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(8, 10)
    policy = kit.named(emb=nn.Embedding(words, 12), act=nn.Tanh(), lm_head=nn.Linear(12, words))
    with torch.no_grad():
        policy.lm_head.bias[-1] = -110.0
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        context, token, advantage, reference = batch
        optimizer.zero_grad()
        logp = policy(context).log_softmax(-1).gather(1, token[:, None])[:, 0]
        ratio = reference - logp
        if repaired:
            ratio = ratio.clamp(max=20.0)
        divergence = (ratio.exp() - ratio - 1).clamp(min=-10, max=10)
        loss = (-advantage * logp + 0.05 * divergence).mean()
        loss.backward()
        optimizer.step()
        return loss

    best = torch.randint(words - 1, (words,))
    batches = []
    for number in range(60):
        context = torch.randint(words - 1, (32,))
        token = torch.where(torch.rand(32) < 0.5, best[context], torch.randint(words - 1, (32,)))
        advantage = torch.where(token == best[context], 1.0, 0.05)
        if number == step:
            token[9], advantage[9] = words - 1, 0.0
        batches.append((context, token, advantage, torch.full((32,), -2.2)))
    return Scenario(
        policy, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step)
    )
