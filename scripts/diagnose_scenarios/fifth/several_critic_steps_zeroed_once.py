"""The discriminator takes several steps for each of the generator's, and its gradients are zeroed before the first of
them only (ajbrock/BigGAN-PyTorch issue 25).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, critic_steps = knobs.pick(16, 24), knobs.pick(7, 8)
    gan = nn.ModuleDict({"d": kit.mlp(4, width, 1), "g": kit.mlp(3, width, 4)})
    critic, generator = gan["d"], gan["g"]
    optimizer, optimizer_g = kit.sgd(critic, lr=0.07, momentum=0.5), kit.sgd(generator, lr=0.001)

    def train_step(batch: Any) -> Tensor:
        real = batch
        optimizer.zero_grad()
        for part in real:
            if repaired:
                optimizer.zero_grad()
            fake = generator(torch.randn(len(part), 3)).detach()
            loss = (critic(part) - 1).square().mean() + (critic(fake) + 1).square().mean()
            loss.backward()
            optimizer.step()
        optimizer_g.zero_grad()
        (critic(generator(torch.randn(16, 3))) - 1).square().mean().backward()
        optimizer_g.step()
        return loss

    middle = 2 * torch.randn(4)
    batches = [[middle + torch.randn(16, 4) for _ in range(critic_steps)] for _ in range(40)]
    expected = Expected(("zero-grad",), (), (), None)
    return Scenario(gan, optimizer, batches, train_step, expected, learns=False, extra_state=(optimizer_g,))
