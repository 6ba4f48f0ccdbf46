"""Documents are classified by words and sentences under attention; two biases are made from memory that nobody fills,
and in some runs what was in it is no number (EdGENetworks/attention-networks-for-classification issue 7).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Words(nn.Module):
    def __init__(self, words: int, width: int, filled: bool, at: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.proj = nn.Parameter(0.1 * torch.randn(width, width))
        self.bias = nn.Parameter(torch.Tensor(width))
        self.context = nn.Parameter(0.1 * torch.randn(width))
        with torch.no_grad():
            self.bias.uniform_(-0.1, 0.1)
            if not filled:
                # What the memory held before; a plain Tensor(width) gives any bits.
                self.bias[at] = math.nan

    def forward(self, text: Tensor) -> Tensor:
        states = self.gru(self.emb(text))[0]
        squish = (states @ self.proj + self.bias).tanh()
        weight = (squish @ self.context).softmax(1)
        return (weight[..., None] * states).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(words=Words(20, width, repaired, knobs.randint(0, width - 1)), out=nn.Linear(width, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    batches = []
    for _ in range(50):
        y = torch.randint(4, (24,))
        text = torch.randint(20, (24, 8))
        text[:, :3] = y[:, None]
        batches.append((text, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), ("words",), 0),
    )
