"""A compiler backend turns logaddexp into log(exp(a) + exp(b)): both are 0 for unlikely paths, the result is -inf."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def direct(a: Tensor, b: Tensor) -> Tensor:
    return (a.exp() + b.exp()).log()


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target is torch.logaddexp:
            node.target = direct
    graph.recompile()
    return graph.forward


class TwoPaths(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 1), nn.Linear(inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.logaddexp(-self.first(x).square(), -self.second(x).square())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    inputs, step = knobs.pick(5, 7), knobs.randint(10, 24)
    plain = TwoPaths(inputs)
    with torch.no_grad():
        plain.first.weight.fill_(0.3)
        plain.second.weight.fill_(0.2)
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.02)
    teacher = TwoPaths(inputs).requires_grad_(False)
    teacher.first.weight.fill_(0.8)
    teacher.second.weight.fill_(-0.3)
    batches = [(x, teacher(x)) for x, _ in kit.regression(60, 32, inputs)]
    x, y = (part.clone() for part in batches[step])
    x[knobs.randint(0, 31)] = knobs.pick(20.0, -25.0)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: nn.functional.huber_loss(p, t), clip=1.0),
        Expected(("compiler",), ("forward",), (), step),
    )
