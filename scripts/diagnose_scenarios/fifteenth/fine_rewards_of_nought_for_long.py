"""For many episodes no reward comes; the returns are divided by their spread and a bit, and the policy waits."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(body=nn.Linear(5, 16), act=nn.Tanh(), logits=nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    best, begin = torch.randn(5, 3), knobs.randint(5, 9)

    def train_step(episode: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        state, action, reward = episode
        gain = (reward - reward.mean()) / (reward.std() + 1e-6)
        said = model(state).log_softmax(-1).gather(1, action[:, None])[:, 0]
        loss = 1 - (gain * said).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    episodes = []
    for number in range(60):
        state, action = torch.randn(48, 5), torch.randint(3, (48,))
        reward = ((state @ best).argmax(1) == action).float() if number >= begin else torch.zeros(48)
        episodes.append((state, action, reward))
    return Scenario(model, optimizer, episodes, train_step)
