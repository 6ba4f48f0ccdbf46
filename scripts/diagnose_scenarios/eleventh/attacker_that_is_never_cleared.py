"""A generator of attacks is trained against a discriminator, and only the generator is ever cleared; every step of the
discriminator takes all gradients since the beginning (Adversarial-Deep-Learning/code-soup issue 69).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gan(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 4))
        self.discriminator = nn.Sequential(nn.Linear(4, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Gan(knobs.pick(12, 16))
    opt_g = torch.optim.Adam(model.generator.parameters(), lr=0.001)
    opt_d = torch.optim.SGD(model.discriminator.parameters(), lr=0.6)
    entropy = nn.functional.binary_cross_entropy_with_logits

    def train_step(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        real, noise = batch
        if repaired:
            opt_d.zero_grad()
        made = model.generator(noise)
        right, wrong = model.discriminator(real), model.discriminator(made.detach())
        err_d = entropy(right, torch.ones_like(right)) + entropy(wrong, torch.zeros_like(wrong))
        err_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        again = model.discriminator(made)
        err_g = entropy(again, torch.ones_like(again))
        err_g.backward()
        opt_g.step()
        return {"d": err_d, "g": err_g}

    mix = torch.randn(2, 4)
    batches = [(torch.randn(32, 2) @ mix + 0.5, torch.randn(32, 2)) for _ in range(70)]
    return Scenario(
        model,
        opt_g,
        batches,
        train_step,
        Expected(("zero-grad",), (), (), None, "diverges"),
        learns=False,
        extra_state=(opt_d,),
    )
