"""Padding is hidden by adding -1e15, which is minus infinity in float16: harmless while a text has words, and no
number for the text that is all padding (NVIDIA/apex issue 93).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    """Attention over words with a learnt query."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        scores = self.score(x).squeeze(-1)
        hidden = (1 - real.to(scores.dtype)) * self.far(scores)
        return ((scores + hidden).softmax(-1)[..., None] * x).sum(1)

    def far(self, scores: Tensor) -> float:
        return -1e15


class GentlePool(Pool):
    def far(self, scores: Tensor) -> float:
        return -1e4


class Net(nn.Module):
    def __init__(self, words: int, width: int, pool: nn.Module) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)
        self.pool = pool
        self.fc = nn.Linear(width, 3)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        tokens, real = fields
        x = self.conv(self.emb(tokens).transpose(1, 2)).transpose(1, 2).relu()
        return self.fc(self.pool(x, real))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = Net(15, width, (GentlePool if repaired else Pool)(width))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(50):
        label = torch.randint(3, (8,))
        tokens = label[:, None] * 5 + torch.randint(5, (8, 6))
        real = torch.arange(6) < torch.randint(2, 7, (8, 1))
        if number == step:
            real[4] = False
        batches.append(((tokens, real), label))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        # The mask's number leaves the range of float16, and what it leaves is a row of minus infinity.
        Expected(("masked-softmax", "fp16-overflow"), ("forward",), ("pool",), step),
    )
