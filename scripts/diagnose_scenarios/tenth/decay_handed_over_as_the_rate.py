"""The optimizer of a protein model is built with the weight decay where its learning rate belongs: a rate of a
millionth, at which nothing is learnt (offbit/evo-design issue 3).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    settings = {"lr": 0.01, "weight_decay": knobs.pick(1e-6, 2e-6)}
    model = kit.named(
        residues=nn.Embedding(20, 12),
        conv=nn.Flatten(1),
        act=nn.Sequential(nn.Linear(96, knobs.pick(24, 32)), nn.GELU()),
        head=nn.LazyLinear(1),
    )
    fitness = torch.randn(20)
    chains = [torch.randint(20, (32, 8)) for _ in range(60)]
    batches = [(chain, fitness[chain].mean(1, keepdim=True) * 2) for chain in chains]
    model(chains[0])
    optimizer = torch.optim.Adam(model.parameters(), settings["lr" if repaired else "weight_decay"])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "stalls"),
    )
