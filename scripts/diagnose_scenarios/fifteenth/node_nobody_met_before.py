"""An attention looks at the neighbours that a node met before; for a node that met nobody all of them are masked, and
the softmax has nothing to weigh (tgm-team/tgm issue 55).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Temporal(nn.Module):
    def __init__(self, width: int, safe: bool) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.safe = safe

    def forward(self, node: Tensor, near: Tensor, met: Tensor) -> Tensor:
        score = (self.q(node)[:, None] * self.k(near)).sum(-1) / node.shape[-1] ** 0.5
        weight = score.masked_fill(~met, float("-inf")).softmax(-1)
        if self.safe:
            weight = torch.where(met, score, -1e4).softmax(-1) * met
        return (weight[:, None] @ self.v(near))[:, 0]


class Tgat(nn.Module):
    def __init__(self, inputs: int, width: int, safe: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.attn = Temporal(width, safe)
        self.merge = nn.Linear(2 * width, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        node, near = self.embed(batch["node"]), self.embed(batch["near"])
        return self.merge(torch.cat([node, self.attn(node, near, batch["met"])], -1).relu())[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    many, step = knobs.pick(4, 5), knobs.randint(3, 18)
    model = Tgat(6, 16, repaired)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        loss = kit.squares(model(batch), batch["wanted"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(6) / 2
    batches = []
    for number in range(45):
        node, near = torch.randn(32, 6), torch.randn(32, many, 6)
        met = torch.rand(32, many) < 0.6
        met[:, 0] = True
        if number == step:
            met[knobs.randint(0, 31)] = False
        wanted = node @ teacher + 0.5 * (near @ teacher * met).sum(1) / met.sum(1).clamp(min=1)
        batches.append({"node": node, "near": near, "met": met, "wanted": wanted})
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), step))
