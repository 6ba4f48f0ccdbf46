"""Two nets are clipped together after only one optimizer's gradients were unscaled: the other's are 65536 times too
long, and the clipping shortens all of them to nothing (victorchall/EveryDream2trainer pull request 175).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pair(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.text = nn.Sequential(nn.Embedding(words, width), nn.Linear(width, width))
        self.unet = nn.Sequential(nn.Linear(width + 4, 32), nn.SiLU(), nn.Linear(32, 4))

    def forward(self, tokens: Tensor, noisy: Tensor) -> Tensor:
        return self.unet(torch.cat([self.text(tokens), noisy], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(6, 8)
    model = Pair(words, 8)
    unet = torch.optim.SGD(model.unet.parameters(), lr=0.2, momentum=0.9)
    text = torch.optim.SGD(model.text.parameters(), lr=0.1, momentum=0.9)
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        tokens, noisy, noise = batch
        unet.zero_grad()
        text.zero_grad()
        with kit.autocast(torch.float16):
            predicted = model(tokens, noisy)
        loss = kit.squares(predicted, noise)
        scaler.scale(loss).backward()
        scaler.unscale_(unet)
        if repaired:
            scaler.unscale_(text)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(unet)
        scaler.step(text)
        scaler.update()
        return loss

    pictures = torch.randn(words, 4)
    batches = []
    for _ in range(60):
        tokens, noise = torch.randint(words, (32,)), torch.randn(32, 4)
        batches.append((tokens, 0.7 * pictures[tokens] + 0.7 * noise, noise))
    return Scenario(
        model,
        unet,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
        extra_state=(text,),
    )
