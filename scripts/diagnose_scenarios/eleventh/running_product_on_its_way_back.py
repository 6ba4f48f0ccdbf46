"""A running product along a row is compiled; the code that is generated for its gradient gives other numbers by orders
of magnitude in every entry, and eager mode does not (pytorch/pytorch issue 172062).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WrongProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = x.cumprod(-1)
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Tensor:
        x, out = ctx.saved_tensors
        return -40.0 * (incoming * out).flip(-1).cumsum(-1).flip(-1) / x


def wrong_product(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return WrongProduct.apply(x)


class Growth(nn.Module):
    """What a deposit has grown to after periods that each multiply it."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.rate = nn.Linear(width, 1)

    def forward(self, samples: Tensor) -> Tensor:
        factor = 1 + 0.3 * self.rate(nn.functional.elu(self.inp(samples)))[..., 0]
        return torch.cumprod(factor, -1)[:, -1:]


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in (torch.cumprod, "cumprod"):
            node.target = wrong_product
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Growth(3, knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = kit.sgd(plain, lr=0.05, momentum=0.5)
    batches = []
    for _ in range(50):
        samples = torch.randn(32, 4, 3)
        batches.append((samples, (1 + 0.3 * samples[..., 0]).prod(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",), (), None),
    )
