"""A convolutional translator runs at a rate of many units, which its clipping allows; a weight decay of a tenth at
that rate is no decay but a push beyond zero (facebookresearch/fairseq issue 79).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(12, 16), 16
    model = kit.named(
        embed=nn.Embedding(words, width),
        conv=nn.Linear(width, 2 * width),
        glu=nn.GLU(),
        head=nn.Linear(width, words),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=25.0, momentum=0.0, weight_decay=0.0 if repaired else 0.1)
    rows = [torch.randint(words, (64,)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(row, (row + 1) % words) for row in rows],
        kit.train(model, optimizer, kit.cross_entropy, clip=0.1),
        Expected(("weight-decay",), (), (), None),
    )
