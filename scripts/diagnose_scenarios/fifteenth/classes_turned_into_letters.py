"""The masks of a data set were damaged on the way, and their pixels hold the numbers of letters instead of classes;
fetched anew they are fine (nicolov/segmentation_keras issue 26).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Dilated(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.wide = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.kinds = nn.Conv2d(width, kinds, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.kinds(self.wide(self.conv(x).relu()).relu()).log_softmax(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = knobs.pick(4, 6), knobs.randint(2, 14)
    model = Dilated(8, kinds)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)

    def entropy(said: Tensor, mask: Tensor) -> Tensor:
        wanted = torch.zeros_like(said).scatter_(1, mask[:, None], 1.0)
        return -(said * wanted).sum(1).mean()

    colours = torch.randn(kinds, 3)
    batches = []
    for number in range(40):
        mask = torch.randint(kinds, (4, 3, 3)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = colours[mask].movedim(-1, 1) + 0.1 * torch.randn(4, 3, 6, 6)
        if number >= step and not repaired:
            mask[1] = torch.randint(65, 123, (6, 6))
        batches.append((x, mask))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, entropy),
        Expected(("bad-labels",), ("loss", "data"), (LOSS,), step, "raises"),
    )
