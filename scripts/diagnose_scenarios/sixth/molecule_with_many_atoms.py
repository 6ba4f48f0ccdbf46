"""An equivariant graph net moves every atom by an unbounded weighted sum over all others: what is stable for a few
atoms runs away within the layers for many (lucidrains/egnn-pytorch issue 7, pull request 33).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Egnn(nn.Module):
    def __init__(self, width: int, bounded: bool) -> None:
        super().__init__()
        self.message = nn.Linear(2 * width + 1, width)
        self.shift = nn.Linear(width, 1)
        self.update = nn.Linear(2 * width, width)
        self.bounded = bounded
        with torch.no_grad():
            self.shift.weight.mul_(0.2)

    def forward(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        apart = x[:, :, None] - x[:, None]
        squared = apart.square().sum(-1, keepdim=True)
        pairs = torch.cat([h[:, :, None].expand(-1, -1, h.shape[1], -1), h[:, None].expand(-1, h.shape[1], -1, -1)], -1)
        messages = nn.functional.silu(self.message(torch.cat([pairs, squared], -1)))
        weights = self.shift(messages)
        if self.bounded:
            weights, apart = weights.tanh(), apart / ((squared + 1e-8).sqrt() + 1)
            return h + self.update(torch.cat([h, messages.mean(2)], -1)).tanh(), x + (apart * weights).mean(2)
        return h + self.update(torch.cat([h, messages.mean(2)], -1)).tanh(), x + (apart * weights).sum(2)


class Net(nn.Module):
    def __init__(self, width: int, depth: int, bounded: bool) -> None:
        super().__init__()
        self.inp = nn.Linear(2, width)
        self.layers = nn.ModuleList(Egnn(width, bounded) for _ in range(depth))
        self.out = nn.Linear(width, 1)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        h, x = self.inp(fields[0]), fields[1]
        for layer in self.layers:
            h, x = layer(h, x)
        return self.out(h).mean(1) + x.square().mean((1, 2))[:, None] / 10


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, depth = knobs.step(), 5
    model = Net(8, depth, repaired)
    optimizer = kit.adam(model, lr=0.005)
    batches = []
    for number in range(40):
        atoms = 30 if number == step else 3
        kinds = torch.randint(2, (6, atoms))
        spread = 4.0 if number == step else 0.3
        fields = (nn.functional.one_hot(kinds, 2).float(), spread * torch.randn(6, atoms, 3))
        batches.append((fields, kinds.float().mean(1, keepdim=True)))
    places = tuple(f"layers.{number}{part}" for number in range(depth) for part in ("", ".shift", ".message"))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("exploding-gradients",), ("forward",), places, step),
    )
