"""Preferences are learnt from margins against a frozen reference, and the loss goes towards zero."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 12
    policy, reference = (nn.Sequential(nn.Embedding(words, 8), nn.Linear(8, words)) for _ in range(2))
    reference.load_state_dict(policy.state_dict())
    reference.requires_grad_(False)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.01)
    beta = knobs.pick(0.3, 0.5)

    def train_step(batch: Any) -> Tensor:
        prompt, chosen, rejected = batch

        def margin(net: nn.Module) -> Tensor:
            log_probs = net(prompt).log_softmax(-1)
            return (log_probs.gather(1, chosen) - log_probs.gather(1, rejected)).squeeze(1)

        optimizer.zero_grad()
        loss = -nn.functional.logsigmoid(beta * (margin(policy) - margin(reference))).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        prompt = torch.randint(words, (32,))
        chosen = ((prompt + 1) % words)[:, None]
        batches.append((prompt, chosen, (chosen + torch.randint(1, words, (32, 1))) % words))
    return Scenario(policy, optimizer, batches, train_step)
