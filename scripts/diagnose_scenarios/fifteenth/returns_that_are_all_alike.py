"""The returns of a policy are divided by their spread; in an episode in which every reward is nought the spread is
nought as well (ray-project/ray issue 846).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, states: int, width: int, actions: int) -> None:
        super().__init__()
        self.body = nn.Linear(states, width)
        self.logits = nn.Linear(width, actions)

    def forward(self, state: Tensor) -> Tensor:
        return self.logits(self.body(state).tanh()).log_softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    actions, step = knobs.pick(3, 4), knobs.randint(8, 30)
    model = Policy(6, 16, actions)
    optimizer = kit.adam(model, 0.01)
    best = torch.randn(6, actions)

    def train_step(episode: dict[str, Tensor]) -> Tensor:
        gain = episode["reward"] - episode["reward"].mean()
        gain = gain / (episode["reward"].std() + (1e-6 if repaired else 0.0))
        said = model(episode["state"]).gather(1, episode["action"][:, None])[:, 0]
        loss = 2 - (gain * said).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    episodes = []
    for number in range(50):
        state, action = torch.randn(40, 6), torch.randint(actions, (40,))
        reward = ((state @ best).argmax(1) == action).float()
        if number == step:
            reward = torch.zeros(40)
        episodes.append({"state": state, "action": action, "reward": reward})
    return Scenario(model, optimizer, episodes, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
