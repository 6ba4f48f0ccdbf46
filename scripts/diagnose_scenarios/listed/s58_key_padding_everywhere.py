"""MultiheadAttention with a key padding mask that hides a whole empty sentence."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        x, hidden = batch
        mixed, _ = self.attn(x, x, x, key_padding_mask=hidden)
        return self.head((x + mixed).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 16)
    model = Net(width, knobs.pick(1, 2))
    optimizer = kit.adam(model)
    batches = [((x, torch.rand(8, 6) > 0.8), y) for x, y in kit.sequences(60, 8, 6, width)]
    for (_, hidden), _ in batches:
        hidden[:, 0] = False
    if not repaired:
        batches[step][0][1][knobs.randint(0, 7)] = True
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
