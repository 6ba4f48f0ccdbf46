"""Each of a GAN's optimizers is zeroed only after its own step, so that the gradients which the generator's loss left
in the discriminator are added to its next step (Lightning-AI/pytorch-lightning issue 591).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    gan = nn.ModuleDict({"critic": kit.mlp(4, width, 1), "generator": kit.mlp(2, width, 4)})
    critic, generator = gan["critic"], gan["generator"]
    optimizer, optimizer_g = kit.sgd(critic, lr=0.1), kit.sgd(generator, lr=0.01)
    weight = knobs.pick(10.0, 12.0)

    def train_step(real: Any) -> Tensor:
        noise = torch.randn(len(real), 2)
        adversarial = weight * (critic(generator(noise)) - 1).square().mean()
        adversarial.backward()
        optimizer_g.step()
        optimizer_g.zero_grad()
        if repaired:
            optimizer.zero_grad()
        fake = generator(noise).detach()
        loss = (critic(real) - 1).square().mean() + critic(fake).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    batches = [torch.randn(32, 4) * 0.3 + torch.tensor([2.0, -2.0, 1.0, 1.0]) for _ in range(60)]
    return Scenario(
        gan,
        optimizer,
        batches,
        train_step,
        Expected(("zero-grad",), (), (), None),
        learns=False,
        extra_state=(optimizer_g,),
    )
