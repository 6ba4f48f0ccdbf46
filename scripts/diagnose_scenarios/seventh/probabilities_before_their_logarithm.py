"""The loss takes the logarithm of softmax probabilities; logits that lie 140 apart give an exact zero (as in
allenai/allennlp issue 2797).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(attend=nn.Linear(10, knobs.pick(16, 24)), act=nn.ReLU(), label=nn.LazyLinear(3))
    model(torch.zeros(1, 10))
    optimizer = kit.sgd(model, lr=0.1)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        log_probs = p.log_softmax(-1) if repaired else p.softmax(-1).log()
        return -(log_probs * nn.functional.one_hot(y, 3)).sum(-1).mean()

    batches = kit.classes(60, 16, 10, 3)
    x = batches[step][0]
    x[:4] *= knobs.pick(400.0, 600.0)
    batches = [(a / 3, y) for a, y in batches]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, clip=1.0),
        Expected(("underflow",), ("loss", "backward"), (LOSS,), step),
    )
