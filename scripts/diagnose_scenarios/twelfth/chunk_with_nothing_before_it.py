"""A softmax that takes out the largest score of a row has no largest score where a chunk may look at nothing, and
subtracts infinity from infinity (chiendb97/oasr pull request 101).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ChunkAttention(nn.Module):
    def __init__(self, width: int, floor: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.floor = floor

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf)
        largest = scores.amax(-1, keepdim=True).detach()
        if self.floor:
            largest = largest.clamp(min=-1e4)
        weights = (scores - largest).exp()
        return weights / weights.sum(-1, keepdim=True).clamp(min=1e-6) @ v


class Recogniser(nn.Module):
    def __init__(self, width: int, floor: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(5, width)
        self.attn = ChunkAttention(width, floor)
        self.out = nn.Linear(width, 3)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        h = self.embed(x)
        return self.out(h + self.attn(h, allowed))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, step = knobs.pick(6, 8), knobs.randint(5, 22)
    model = Recogniser(12, repaired)
    optimizer = kit.adam(model)
    sounds = 2 * torch.randn(3, 5)

    def train_step(batch: tuple[Tensor, ...]) -> Tensor:
        x, y, allowed = batch
        loss = nn.functional.cross_entropy(model(x, allowed).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        y = torch.randint(3, (8, length))
        allowed = torch.ones(8, length, length).tril().bool()
        if number == step:
            # A stream that has just begun: its first chunk has no context, and it sees only what is before.
            allowed[knobs.randint(0, 7), : knobs.randint(1, 2)] = False
        batches.append((sounds[y] + torch.randn(8, length, 5), y, allowed))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), step))
