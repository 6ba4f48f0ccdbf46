"""A generator and a discriminator in float16 share one scaler, as torch's notes have it: each optimizer is unscaled and
clipped before its own step, and update is called once at the end.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    maker = kit.named(fc=nn.Linear(3, width), act=nn.ReLU(), out=nn.Linear(width, 5))
    judge = kit.named(fc=nn.Linear(5, width), act=nn.LeakyReLU(0.2), out=nn.Linear(width, 1))
    model = nn.ModuleDict({"maker": maker, "judge": judge})
    of_maker, of_judge = kit.adam(maker, lr=1e-3), kit.adam(judge, lr=1e-3)
    scaler = kit.new_scaler(2.0 ** knobs.pick(16, 22))

    def train_step(batch: Any) -> Tensor:
        real, z = batch
        with kit.autocast(torch.float16):
            fake = maker(z)
            on_real, on_fake = judge(real), judge(fake.detach())
        loss = (1 - on_real.float()).relu().mean() + (1 + on_fake.float()).relu().mean()
        of_judge.zero_grad()
        scaler.scale(loss).backward()
        with kit.autocast(torch.float16):
            wanted = -judge(fake).float().mean()
        of_maker.zero_grad()
        grads = torch.autograd.grad(scaler.scale(wanted), list(maker.parameters()))
        for weight, grad in zip(maker.parameters(), grads, strict=True):
            weight.grad = grad
        for optimizer, net in ((of_judge, judge), (of_maker, maker)):
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
        scaler.update()
        return loss

    centres = torch.randn(4, 5)
    return Scenario(
        model,
        of_judge,
        [(centres[torch.randint(4, (32,))] + 0.1 * torch.randn(32, 5), torch.randn(32, 3)) for _ in range(60)],
        train_step,
        scaler=scaler,
        learns=False,
        extra_state=(of_maker,),
    )
