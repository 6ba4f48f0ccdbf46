"""All of a text net is float16, and Adam runs with the eps it comes with, which is nothing in float16; words that the
first batch does not hold move by 0 / 0 (keras-team/keras issue 11860).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(60, 80)
    model = nn.Sequential()
    model.add_module("bag", nn.EmbeddingBag(words, 8, mode="mean"))
    model.add_module("dense", nn.Linear(8, 16))
    model.add_module("act", nn.Tanh())
    model.add_module("out", nn.Linear(16, 1))
    model.half()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, foreach=False, **({"eps": 1e-3} if repaired else {}))
    mood = torch.randn(words)
    texts = [torch.randint(words, (8, 5)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(text, 3 * mood[text].mean(1, keepdim=True)) for text in texts],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), (), 0),
    )
