"""Two masks of which each leaves something, a window and a padding mask, leave nothing together for one position."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Local(nn.Module):
    """Each position sees `reach` positions before it and itself."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.reach = reach

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        at = torch.arange(x.shape[1])
        back = at[:, None] - at[None]
        window = (back >= 0) & (back <= self.reach)
        score = self.query(x) @ self.key(x).transpose(1, 2) / x.shape[-1] ** 0.5
        score = score + torch.zeros_like(score).masked_fill(~(window & real[:, None]), float("-inf"))
        return score.softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.words = nn.Embedding(12, width)
        self.block = nn.ModuleDict({"local": Local(width, reach)})
        self.head = nn.Linear(width, 3)

    def forward(self, words: Tensor, real: Tensor) -> Tensor:
        h = self.words(words)
        h = h + self.block["local"](h, real)
        return self.head((h * real[..., None]).sum(1) / real.sum(1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    """A text with more padding than the window is long. Repaired: padded positions see themselves."""
    knobs = kit.Knobs(seed)
    step, reach, length = knobs.step(), knobs.pick(3, 4), 12
    model = Net(knobs.pick(8, 12), reach)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        words, real, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(words, real), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        y = torch.randint(3, (16,))
        words = 4 * y[:, None] + torch.randint(4, (16, length))
        lengths = torch.randint(length - reach, length + 1, (16,))
        if number == step:
            lengths[3] = length - (reach if repaired else reach + knobs.pick(1, 2))
        batches.append((words, torch.arange(length) < lengths[:, None], y))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("block.local",), step)
    )
