"""A loss scale that starts far too high and logs `gradient overflow, skipping step` for the first steps, as users
worry about; it settles and the net learns (LEEYOONHYUNG/BVAE-TTS issue 3, alexzhou907/DDBM issue 9).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(enc=nn.Linear(6, 24), act=nn.ReLU(), mid=nn.Linear(24, 24), act2=nn.ReLU(), dec=nn.Linear(24, 6))
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.02)
    scaler = kit.new_scaler(2.0 ** knobs.pick(26, 27))
    return Scenario(
        model,
        optimizer,
        [(x, x.flip(1)) for x, _ in kit.regression(70, 32, 6)],
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=1.0),
        scaler=scaler,
    )
