"""A tokenizer of pictures and clips is trained against a critic; the backward of its adversarial loss also fills the
gradients of the critic, which are not cleared before the critic adds its own and steps (FoundationVision/OmniTokenizer
issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Players(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokenizer = nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 8))
        self.critic = nn.Sequential(nn.Linear(8, width), nn.LeakyReLU(0.2), nn.Linear(width, width))
        self.critic_out = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def judge(self, x: Tensor) -> Tensor:
        return self.critic_out(self.critic(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Players(knobs.pick(16, 20))
    makers = torch.optim.Adam(model.tokenizer.parameters(), lr=0.002)
    critics = torch.optim.SGD([*model.critic.parameters(), *model.critic_out.parameters()], lr=0.05, momentum=0.8)
    weight = knobs.pick(2.0, 3.0)

    def train_step(clip: Tensor) -> Tensor:
        makers.zero_grad()
        made = model.tokenizer(clip)
        ((made - clip).square().mean() - weight * model.judge(made).mean()).backward()
        makers.step()
        if repaired:
            critics.zero_grad()
        real, fake = model.judge(clip), model.judge(made.detach())
        loss = (1 - real).relu().mean() + (1 + fake).relu().mean()
        loss.backward()
        critics.step()
        critics.zero_grad()
        return loss

    mix = torch.randn(3, 8)
    return Scenario(
        model,
        makers,
        [torch.randn(32, 3).sign() @ mix for _ in range(60)],
        train_step,
        Expected(("zero-grad",), (), (), None),
        learns=False,
        extra_state=(critics,),
    )
