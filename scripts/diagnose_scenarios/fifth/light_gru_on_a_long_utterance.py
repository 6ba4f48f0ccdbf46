"""A light GRU, whose state passes through a rectifier instead of a tanh, meets an utterance far longer than the others:
its state grows past float32 (mravanelli/pytorch-kaldi issue 154).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LightGRU(nn.Module):
    def __init__(self, inputs: int, width: int, bounded: bool) -> None:
        super().__init__()
        self.act = nn.Tanh() if bounded else nn.ReLU()
        self.wz, self.wh = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.uz, self.uh = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        with torch.no_grad():
            nn.init.orthogonal_(self.uh.weight)
            self.uh.weight.abs_().mul_(0.7)
            self.uz.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], self.uh.in_features)
        for frame in x.unbind(1):
            z = (self.wz(frame) + self.uz(h.clamp(max=1))).sigmoid()
            h = z * h + (1 - z) * self.act(self.wh(frame) + self.uh(h))
        return h


class Recogniser(nn.Module):
    def __init__(self, width: int, bounded: bool) -> None:
        super().__init__()
        self.ligru = LightGRU(4, width, bounded)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.ligru(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 14)
    model = Recogniser(width, bounded=repaired)
    optimizer = kit.adam(model, lr=0.005)
    centres = torch.randn(3, 4)
    batches = []
    for number in range(50):
        y = torch.randint(3, (8,))
        length = knobs.pick(480, 520) if number == step else knobs.randint(6, 10)
        batches.append((centres[y][:, None] + 0.5 * torch.randn(8, length, 4), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=0.1),
        Expected(("exploding-gradients",), ("forward",), ("ligru", "ligru.uh"), step),
    )
