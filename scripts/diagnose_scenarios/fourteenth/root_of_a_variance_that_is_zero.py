"""A style loss compares standard deviations of maps; one map is constant, and the root of its variance has no slope."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-6 if repaired else 0.0
    model = kit.named(conv=nn.Conv2d(1, knobs.pick(3, 5), 3, bias=False), out=nn.LazyConv2d(2, 1, bias=False))
    pictures = [torch.randn(8, 1, 8, 8) * torch.rand(8, 1, 1, 1) for _ in range(70)]
    model(pictures[0])
    pictures[step][knobs.randint(0, 7)] = 0
    optimizer = kit.adam(model, lr=0.03)

    def style(maps: Tensor, wanted: Tensor) -> Tensor:
        centred = maps - maps.mean((2, 3), keepdim=True)
        return functional.l1_loss(torch.sqrt(centred.square().mean((2, 3)) + eps), wanted)

    return Scenario(
        model,
        optimizer,
        [(x, torch.cat([x.std((1, 2, 3))[:, None], 2 * x.std((1, 2, 3))[:, None]], 1)) for x in pictures],
        kit.train(model, optimizer, style),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
