"""The net's optimizer goes through the scaler; the embedding table's own optimizer takes the gradients as they are."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.mid = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.leaky_relu(self.mid(self.words(x).mean(1)), 0.1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(20, 24)
    model = Net(words, knobs.pick(12, 16))
    layers = [*model.mid.parameters(), *model.out.parameters()]
    optimizer = torch.optim.Adam(layers, lr=0.01)
    table = torch.optim.SGD(model.words.parameters(), lr=1.0)
    scaler = kit.new_scaler(2.0 ** knobs.pick(15, 16))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        table.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        if repaired:
            scaler.step(table)
        else:
            table.step()
        scaler.update()
        return loss

    worth = torch.randn(words)
    xs = [torch.randint(words, (32, 3)) for _ in range(120)]
    return Scenario(
        model,
        optimizer,
        [(x, worth[x].sum(1, keepdim=True)) for x in xs],
        train_step,
        Expected(("scaler-misuse",), (), (), None),
        scaler=scaler,
        extra_state=(table,),
    )
