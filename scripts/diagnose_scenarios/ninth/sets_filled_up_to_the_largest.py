"""A set transformer pads the sets of a batch of graphs to the largest one and fills every score outside of a set with
minus infinity, whole rows of them for a small set (dmlc/dgl issue 2657).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class InducedSet(nn.Module):
    """Multihead attention among the nodes of each graph; nodes of all graphs lie in one tensor."""

    def __init__(self, width: int, careful: bool) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.careful = careful

    def forward(self, nodes: Tensor, lengths: list[int]) -> Tensor:
        parts = [part.split(lengths) for part in (self.q(nodes), self.k(nodes), self.v(nodes))]
        q, k, v = (nn.utils.rnn.pad_sequence(part, batch_first=True) for part in parts)
        scores = torch.einsum("bxd,byd->bxy", q, k) / q.shape[-1] ** 0.5
        mask = torch.zeros_like(scores, dtype=torch.bool)
        for number, length in enumerate(lengths):
            mask[number, :length, :length] = True
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        if self.careful:
            weights = scores.masked_fill(~mask, -1e9).softmax(-1) * mask
        mixed = weights @ v
        return nodes + torch.cat([row[:length] for row, length in zip(mixed, lengths, strict=True)])


class Molecules(nn.Module):
    def __init__(self, width: int, careful: bool) -> None:
        super().__init__()
        self.atom = nn.Linear(5, width)
        self.sab = InducedSet(width, careful)
        self.out = nn.Linear(width, 1)

    def forward(self, nodes: Tensor, lengths: list[int]) -> Tensor:
        h = self.sab(self.atom(nodes).relu(), lengths)
        return torch.stack([self.out(part.mean(0)) for part in h.split(lengths)])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Molecules(knobs.pick(16, 20), repaired)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        nodes, lengths, energy = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(nodes, lengths), energy)
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(5, 1)
    batches = []
    for number in range(60):
        lengths = [6] * 8 if number < step else [knobs.randint(3, 8) for _ in range(7)] + [9]
        nodes = torch.randn(sum(lengths), 5)
        energy = torch.stack([(part @ teacher).tanh().mean(0) for part in nodes.split(lengths)])
        batches.append((nodes, lengths, energy * 2))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward", "backward"), ("sab",), step)
    )
