"""A rollout is one transition longer than a whole number of minibatches; the deviation of a single advantage is NaN
(as in DLR-RM/stable-baselines3 issue 325).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Agent(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.shared = nn.Linear(4, width)
        self.pi = nn.Linear(width, 3)
        self.vf = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.shared(x).tanh()
        return self.pi(h), self.vf(h).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Agent(knobs.pick(16, 24))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        states, actions, returns = batch
        logits, values = model(states)
        advantages = returns - values.detach()
        if len(advantages) > 1 or not repaired:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        chosen = logits.log_softmax(-1).gather(1, actions[:, None]).squeeze(1)
        value_loss = (values - returns).square().mean()
        loss = value_loss - 0.1 * (chosen * advantages).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return value_loss.detach() if loss.isfinite() else loss

    batches = []
    for number in range(80):
        states = torch.randn(1 if number == step else 32, 4)
        actions = torch.randint(3, (len(states),))
        batches.append((states, actions, 2 * states[:, 0] + 0.1 * actions))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("batch-statistics",), ("loss",), (LOSS,), step),
    )
