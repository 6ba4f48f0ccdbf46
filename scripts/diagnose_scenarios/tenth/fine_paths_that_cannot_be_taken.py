"""A hidden chain forbids most moves: its matrix of logarithms is full of minus infinity, and so are most of the forward
sums, of which every sequence keeps one.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    states, symbols = knobs.pick(4, 5), 6
    moves = nn.Parameter(0.1 * torch.randn(states, states))
    model = kit.named(emit=nn.Embedding(states, symbols))
    model.moves = moves
    optimizer = kit.adam(model, lr=0.05)
    allowed = torch.eye(states, dtype=torch.bool) | torch.eye(states, dtype=torch.bool).roll(1, 1)
    allowed[-1, 0] = False

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        move = model.moves.masked_fill(~allowed, -1e9).log_softmax(1).masked_fill(~allowed, -math.inf)
        emit = model.emit.weight.log_softmax(1)
        reached = torch.arange(states) < 1
        alpha = torch.where(reached, emit[:, text[:, 0]].t(), torch.full((), -math.inf))
        for symbol in text[:, 1:].unbind(1):
            reached = reached | reached.roll(1)
            step = alpha[:, :, None] + move
            top = step.detach().amax(1).clamp(min=-1e9)
            summed = (step - top[:, None]).exp().sum(1)
            safe = torch.where(reached, summed, torch.ones(())).log() + top + emit[:, symbol].t()
            alpha = torch.where(reached, safe, torch.full((), -math.inf))
        loss = -alpha.logsumexp(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    texts = [torch.arange(10)[None] * states // 10 + torch.randint(0, 2, (16, 10)) for _ in range(60)]
    return Scenario(model, optimizer, texts, train_step)
