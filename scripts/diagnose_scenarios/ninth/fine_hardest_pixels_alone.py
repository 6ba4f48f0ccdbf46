"""Only pixels with a loss above a threshold count, but a fixed number of them at least; how many they are changes from
step to step, and so does the loss.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, least = knobs.pick(8, 12), knobs.pick(40, 60)
    model = kit.named(conv=nn.Conv2d(3, width, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(width, 4, 1))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)

    def hardest(logits: Tensor, mask: Tensor) -> Tensor:
        each = nn.functional.cross_entropy(logits, mask, ignore_index=255, reduction="none").flatten()
        hard = each[each > 0.36]
        return hard.mean() if hard.numel() > least else each.topk(least).values.mean()

    colours = 1.5 * torch.randn(4, 3)
    batches = []
    for _ in range(80):
        mask = torch.randint(4, (4, 8, 8))
        image = colours[mask].permute(0, 3, 1, 2) + 0.2 * torch.randn(4, 3, 8, 8)
        batches.append((image, mask.masked_fill(torch.rand(4, 8, 8) < 0.1, 255)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, hardest))
