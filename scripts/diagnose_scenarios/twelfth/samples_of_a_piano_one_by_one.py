"""A recurrent net on samples of sound has sudden peaks of its gradient that a lower rate does not cure; a norm on the
hidden state does (richardassar/SampleRNN_torch issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Samples(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.inp = nn.Linear(2, width)
        self.state = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width) if normed else nn.Identity()
        self.out = nn.Linear(width, 1)
        with torch.no_grad():
            self.state.weight.copy_(1.55 * torch.linalg.qr(torch.randn(width, width))[0])

    def forward(self, sound: Tensor) -> Tensor:
        h = torch.zeros(sound.shape[0], self.state.in_features)
        for sample in sound.unbind(1):
            h = self.norm(self.inp(sample) + self.state(h)).relu()
        return self.out(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(40, 48)
    model = Samples(knobs.pick(14, 18), repaired)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.003, momentum=0.5)
    batches = []
    for _ in range(60):
        sound = torch.randn(16, length, 2)
        batches.append((sound, sound[:, -1:, 0] - sound[:, -1:, 1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), (), (), None),
    )
