"""The encoder of pictures is trained against a discriminator whose gradients are never cleared, so that each of its
steps repeats all those before (Hsintien-Ng/idinvert_pytorch-reproduced issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    encoder = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 6))
    critic = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 1))
    model = nn.ModuleDict({"encoder": encoder, "critic": critic})
    optimizer_e = torch.optim.Adam(encoder.parameters(), lr=0.005)
    optimizer_d = torch.optim.SGD(critic.parameters(), lr=knobs.pick(0.3, 0.4))

    def train_step(real: Tensor) -> Tensor:
        made = encoder(real)
        loss_d = (critic(real) - real.sum(1, keepdim=True)).square().mean()
        loss_d = loss_d + 0.1 * critic(made.detach()).square().mean()
        if repaired:
            optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        loss_e = (made - real).square().mean() + 0.01 * (critic(made) - critic(real).detach()).square().mean()
        optimizer_e.zero_grad()
        critic.requires_grad_(False)
        loss_e.backward()
        critic.requires_grad_(True)
        optimizer_e.step()
        return loss_d.detach() + loss_e.detach()

    batches = [0.5 * torch.randn(32, 6) for _ in range(80)]
    return Scenario(
        model,
        optimizer_e,
        batches,
        train_step,
        Expected(("zero-grad",), (), (), None),
        extra_state=(optimizer_d,),
    )
