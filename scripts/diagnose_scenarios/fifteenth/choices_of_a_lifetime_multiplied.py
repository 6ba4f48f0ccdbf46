"""The probabilities of all choices of a person over all periods are multiplied before a logarithm is taken; a person
who was watched for long has a product of nought (OpenSourceEconomics/respy issue 154).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Choices(nn.Module):
    def __init__(self, states: int, width: int, choices: int) -> None:
        super().__init__()
        self.value = nn.Sequential(nn.Linear(states, width), nn.Softplus(), nn.Linear(width, choices))

    def forward(self, state: Tensor) -> Tensor:
        return self.value(state).softmax(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    choices, step = knobs.pick(5, 6), knobs.randint(1, 4)
    model = Choices(4, 12, choices)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(person: dict[str, Tensor]) -> Tensor:
        chance = model(person["state"]).gather(2, person["choice"][..., None])[..., 0]
        told = chance.log().sum(1) if repaired else chance.prod(1).log()
        loss = -told.mean() / chance.shape[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    taste = 2 * torch.randn(4, choices)
    people = []
    for number in range(40):
        periods = 20 if number < step else 120
        state = torch.randn(12, periods, 4)
        choice = (state @ taste + 0.3 * torch.randn(12, periods, choices)).argmax(-1)
        people.append({"state": state, "choice": choice})
    return Scenario(model, optimizer, people, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
