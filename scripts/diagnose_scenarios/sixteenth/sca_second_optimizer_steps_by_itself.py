"""Two optimizers share a scaler: the encoder's goes through it, the decoder's steps by itself on gradients still
scaled.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    encoder, decoder = nn.Linear(10, width), nn.Linear(width, 10)
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    first, second = kit.sgd(encoder, lr=0.1), kit.sgd(decoder, lr=0.1)
    scaler = kit.new_scaler(2.0 ** knobs.pick(12, 13))
    mixing = torch.randn(3, 10)

    def train_step(x: Tensor) -> Tensor:
        first.zero_grad()
        second.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(decoder(torch.tanh(encoder(x))), x)
        scaler.scale(loss).backward()
        scaler.step(first)
        if repaired:
            scaler.step(second)
        else:
            second.step()
        scaler.update()
        return loss

    return Scenario(
        model,
        first,
        [torch.randn(16, 3) @ mixing for _ in range(80)],
        train_step,
        Expected(("scaler-misuse",), (), (), None),
        scaler=scaler,
        extra_state=(second,),
    )
