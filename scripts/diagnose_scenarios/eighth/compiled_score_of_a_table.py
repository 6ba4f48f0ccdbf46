"""The compiled graph of a net for tables loses the shift by the maximum of a hand-written softmax, and the
exponentials overflow where eager ones do not (pytorch/pytorch issue 114109).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, columns: int, width: int, sharp: float) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(columns, width))
        self.score = nn.Linear(width, 1)
        self.head = nn.Linear(width, 1)
        self.sharp = sharp

    def forward(self, x: Tensor) -> Tensor:
        h = x[..., None] * self.tokens
        raw = self.sharp * self.score(h).squeeze(-1)
        weight = torch.exp(raw - torch.amax(raw, -1, keepdim=True))
        weight = weight / weight.sum(-1, keepdim=True)
        return self.head((weight[..., None] * h).sum(1))


def shift_dropped(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in (torch.amax, "amax"):
            node.replace_all_uses_with(node.args[0], delete_user_cb=lambda user: False)
            for user in list(node.users):
                user.replace_all_uses_with(user.args[0])
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Net(6, knobs.pick(8, 12), knobs.pick(100.0, 120.0))
    model = torch.compile(plain, backend="eager" if repaired else shift_dropped)
    optimizer = kit.adam(plain, lr=0.02)
    batches = [(x, x[:, :1]) for x, _ in kit.regression(60, 32, 6)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",)),
    )
