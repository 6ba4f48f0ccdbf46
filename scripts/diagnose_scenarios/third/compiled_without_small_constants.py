"""A compiler drops additions of tiny constants; the model needs the one beneath its square root and quotient."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd


def without_small_constants(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten.add.Tensor and isinstance(node.args[1], float) and abs(node.args[1]) < 1e-5:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def as_it_is(graph: Any, inputs: Any) -> Any:
    return graph.forward


class RootMeanSquare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    torch._dynamo.reset()
    plain = kit.named(norm=RootMeanSquare(), inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.Tanh())
    plain.add_module("head", nn.Linear(plain.inp.out_features, 3))
    compiler = as_it_is if repaired else without_small_constants
    model = torch.compile(plain, backend=aot_autograd(fw_compiler=compiler))
    optimizer = kit.adam(plain, lr=0.02)
    batches = kit.classes(30, 16, 8, 3)
    batches[step][0][5] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("forward",), (), step),
    )
