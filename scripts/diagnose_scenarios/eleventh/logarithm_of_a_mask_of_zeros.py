"""The logarithm of a mask is added to scores before a log-softmax; for a row in which nothing is allowed every score is
minus infinity, and so is what it is compared with (allenai/allennlp issue 890).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Actions(nn.Module):
    """Log-probabilities of the actions that a grammar allows."""

    def __init__(self, width: int, actions: int, spare: float) -> None:
        super().__init__()
        self.score = nn.Linear(width, actions)
        self.spare = spare

    def forward(self, state: Tensor, allowed: Tensor) -> Tensor:
        return (self.score(state) + (allowed + self.spare).log()).log_softmax(-1)


class Parser(nn.Module):
    def __init__(self, width: int, actions: int, spare: float) -> None:
        super().__init__()
        self.encoder = nn.GRU(6, width, batch_first=True)
        self.actions = Actions(width, actions, spare)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.actions(self.encoder(batch["utterance"])[0], batch["allowed"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    actions, length, step = 5, 6, knobs.randint(6, 18)
    model = Parser(knobs.pick(12, 16), actions, 1e-30 if repaired else 0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: dict[str, Tensor]) -> Any:
        logp = model(batch).gather(2, batch["action"][..., None])[..., 0]
        loss = -(logp * batch["mask"]).sum() / batch["mask"].sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    means = torch.randn(actions, 6)
    batches = []
    for number in range(50):
        action = torch.randint(actions, (12, length))
        utterance = means[action] + 0.4 * torch.randn(12, length, 6)
        allowed = (torch.rand(12, length, actions) < 0.7).float().scatter(2, action[..., None], 1.0)
        mask = torch.ones(12, length)
        if number == step:
            one, start = knobs.randint(0, 11), knobs.randint(2, 5)
            allowed[one, start:] = 0.0
            mask[one, start:] = 0.0
        batches.append({"utterance": utterance, "action": action, "allowed": allowed, "mask": mask})
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("actions",), step)
    )
