"""With a decay of the weights a face net behaves badly at every rate and with every optimizer, because the decay falls
on its last layer, whose size carries the answer (Joker316701882/Additive-Margin-Softmax issue 16).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    people = knobs.pick(4, 5)
    model = kit.named(embed=nn.Linear(10, 24), act=nn.Tanh(), fc=nn.Linear(24, people))
    decay = 0.0 if repaired else knobs.pick(60.0, 75.0)
    optimizer = torch.optim.AdamW(
        [
            {"params": model.embed.parameters(), "weight_decay": 5e-4},
            {"params": model.fc.parameters(), "weight_decay": decay},
        ],
        lr=0.01,
    )
    faces = torch.randn(people, 10)
    batches = []
    for _ in range(60):
        who = torch.randint(people, (32,))
        batches.append((faces[who] + 0.5 * torch.randn(32, 10), who))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), ("optimizer",), ("fc", ""), None, "stalls"),
    )
