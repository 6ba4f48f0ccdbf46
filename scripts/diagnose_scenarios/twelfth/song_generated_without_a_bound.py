"""A rule that tunes its own momentum ends in weights that are not numbers on a recurrent net; a bound on the norm of
the gradients in addition solves it (JianGoForIt/YellowFin_Pytorch issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Melody(nn.Module):
    def __init__(self, notes: int, width: int) -> None:
        super().__init__()
        self.notes = nn.Embedding(notes, width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, notes)
        with torch.no_grad():
            self.hidden.weight.copy_(1.22 * torch.linalg.qr(torch.randn(width, width))[0])

    def forward(self, tune: Tensor) -> Tensor:
        h = torch.zeros(tune.shape[0], self.hidden.in_features)
        for note in tune.unbind(1):
            h = nn.functional.leaky_relu(self.hidden(h) + self.notes(note), 0.7)
        return self.out(h / (1 + h.norm(dim=1, keepdim=True) * 0.01))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    notes, length = 6, knobs.pick(24, 28)
    model = Melody(notes, knobs.pick(12, 16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    clip = 0.3 if repaired else None
    batches = []
    for _ in range(80):
        tune = torch.randint(notes, (32, length))
        batches.append((tune, (tune[:, -1] + 1) % notes))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=clip),
        Expected(("exploding-gradients",), (), (), None),
    )
