"""Values of states are learnt from a slowly following copy of themselves: the targets grow with the estimates, and the
loss rises long before it falls.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    states = knobs.pick(8, 10)
    model = kit.named(inp=nn.Linear(states, 24), act=nn.ReLU(), value=nn.Linear(24, 1))
    late = kit.named(inp=nn.Linear(states, 24), act=nn.ReLU(), value=nn.Linear(24, 1))
    late.load_state_dict(model.state_dict())
    late.requires_grad_(False)
    optimizer = kit.adam(model, lr=0.01)
    every = torch.eye(states)

    def train_step(state: Tensor) -> Tensor:
        following = (state + 1) % states
        reward = (following == 0).float() * 5
        with torch.no_grad():
            target = reward[:, None] + 0.95 * late(every[following])
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(every[state]), target)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(late.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 0.1)
        return loss

    batches = [torch.randint(states, (32,)) for _ in range(80)]
    return Scenario(model, optimizer, batches, train_step, learns=False, extra_state=(late,))
