"""Messages summed into each node in float16: the hub of a star collects more than 65504."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Collect(nn.Module):
    def __init__(self, single: bool) -> None:
        super().__init__()
        self.single = single

    def forward(self, messages: Tensor, into: Tensor, count: int) -> Tensor:
        messages = messages.float() if self.single else messages
        return messages.new_zeros(count, messages.shape[1]).index_add(0, into, messages)


class Net(nn.Module):
    def __init__(self, width: int, gain: float, single: bool) -> None:
        super().__init__()
        self.gain = gain
        self.message = nn.Linear(6, width)
        self.collect = Collect(single)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor, into: Tensor, count: int) -> Tensor:
        return self.head(self.norm(self.collect(self.gain * self.message(x).relu(), into, count)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, edges = knobs.step(), knobs.pick(5000, 6000)
    model = Net(knobs.pick(8, 12), knobs.pick(60.0, 70.0), repaired)
    optimizer = kit.adam(model, lr=0.02)
    centres = torch.randn(3, 6) * 1.5

    def graph(spokes: int, hub: int) -> tuple[Tensor, Tensor, Tensor]:
        """Eight nodes, each with `spokes` messages, the first with `hub`."""
        y = torch.randint(3, (8,))
        into = torch.cat([torch.zeros(hub, dtype=torch.long), torch.arange(1, 8).repeat_interleave(spokes)])
        return centres[y][into] + torch.randn(len(into), 6), into, y

    def train_step(batch: Any) -> Tensor:
        x, into, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x, into, 8), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = [graph(4, edges if number == step else 4) for number in range(80)]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("fp16-overflow",), ("forward",), ("collect",), step)
    )
