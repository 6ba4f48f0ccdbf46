"""The forward algorithm in probabilities instead of logarithms: over a long sequence float32 has nothing left."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Hidden(nn.Module):
    """Minus the log probability of the observed symbols, per symbol; `scaled` keeps the sums near one."""

    def __init__(self, states: int, scaled: bool) -> None:
        super().__init__()
        self.moves = nn.Parameter(torch.randn(states, states))
        self.scaled = scaled

    def forward(self, emission: Tensor) -> Tensor:
        alpha = torch.full_like(emission[:, 0], 1 / emission.shape[2])
        log_scale = torch.zeros(len(emission))
        for at in range(emission.shape[1]):
            alpha = (alpha @ self.moves.softmax(1)) * emission[:, at]
            if self.scaled:
                total = alpha.sum(1, keepdim=True)
                alpha, log_scale = alpha / total, log_scale + total.squeeze(1).log()
        return -(alpha.sum(1).log() + log_scale) / emission.shape[1]


class Net(nn.Module):
    def __init__(self, states: int, symbols: int, scaled: bool) -> None:
        super().__init__()
        self.states, self.symbols = states, symbols
        self.emit = nn.Linear(4, states * symbols)
        self.hidden = Hidden(states, scaled)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        odds = self.emit(x).unflatten(-1, (self.states, self.symbols)).softmax(-1)
        return self.hidden(odds.gather(-1, y[..., None, None].expand(-1, -1, self.states, 1)).squeeze(-1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, symbols = knobs.step(), knobs.pick(5, 6)
    model = Net(3, symbols, repaired)
    optimizer = kit.adam(model, lr=0.03)
    teacher = torch.randn(4, symbols)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = model(*batch).mean()
        loss.backward()
        optimizer.step()
        return loss

    lengths = [10] * 60
    lengths[step] = knobs.pick(220, 260)
    xs = [torch.randn(6, length, 4) for length in lengths]
    batches = [(x, (x @ teacher).argmax(-1)) for x in xs]
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("forward",), ("hidden",), step))
