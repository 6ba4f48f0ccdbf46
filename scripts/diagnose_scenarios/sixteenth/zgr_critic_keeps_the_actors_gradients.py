"""The actor's loss goes through the critic; only the actor is cleared before it, so that the critic gathers
gradients for ever.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(14, 20)
    actor = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2), nn.Tanh())
    critic = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1))
    model = nn.ModuleDict({"actor": actor, "critic": critic})
    moves = kit.sgd(actor, lr=0.01)
    judges = kit.sgd(critic, lr=knobs.pick(0.15, 0.2), momentum=0.9)
    good = torch.randn(4, 2) / 2

    def train_step(state: Tensor) -> Tensor:
        tried = torch.rand(state.shape[0], 2) * 2 - 1
        reward = -(tried - (state @ good).tanh()).square().sum(1, keepdim=True)
        if repaired:
            judges.zero_grad()
        loss = (critic(torch.cat([state, tried], 1)) - reward).square().mean()
        loss.backward()
        judges.step()
        moves.zero_grad()
        (-critic(torch.cat([state, actor(state)], 1)).mean() * 0.1).backward()
        moves.step()
        return loss

    return Scenario(
        model,
        judges,
        [torch.randn(32, 4) for _ in range(200)],
        train_step,
        Expected(("zero-grad",), (), (), None),
        extra_state=(moves,),
    )
