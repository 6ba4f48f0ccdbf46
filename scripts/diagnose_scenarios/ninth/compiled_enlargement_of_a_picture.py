"""A compiled function enlarges a picture, convolves and pools it: its forward is right, its gradients are wrong by
large amounts and nothing says so (pytorch/pytorch issue 185509).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd


class Enlarge(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.head = nn.Linear(width * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        y = nn.functional.max_pool2d(self.conv(y), 3, stride=3)
        return self.head(y.relu().flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    factor = knobs.pick(-2.0, -3.0)

    def right(graph: Any, inputs: Any) -> Any:
        return graph.forward

    def wrong(graph: Any, inputs: Any) -> Any:
        def compiled(*args: Any) -> Any:
            return tuple(factor * out if torch.is_tensor(out) else out for out in graph.forward(*args))

        return compiled

    torch._dynamo.reset()
    plain = Enlarge(knobs.pick(4, 6))
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=right, bw_compiler=right if repaired else wrong))
    optimizer = kit.sgd(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 16, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("backward",), (), 0, "diverges"),
    )
