"""Sound clips are brought to full level by their own greatest sample, which is 0 for a clip of perfect silence
(bshall/hifigan issue 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    model = kit.named(
        pre=nn.Conv1d(1, width, 5, padding=2),
        act=nn.LeakyReLU(0.1),
        res=nn.Conv1d(width, width, 3, padding=2, dilation=2),
        act2=nn.LeakyReLU(0.1),
        post=nn.Conv1d(width, 1, 5, padding=2),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.8, 0.99))
    time = torch.arange(48) / 8
    batches = []
    for number in range(60):
        wav = (time * (1 + 3 * torch.rand(8, 1, 1))).sin() * (0.1 + 0.5 * torch.rand(8, 1, 1))
        if number == step:
            wav[knobs.randint(0, 7)] = 0
        peak = wav.abs().amax((1, 2), keepdim=True)
        wav = 0.95 * wav / (peak.clamp(min=0.001) if repaired else peak)
        batches.append((wav + 0.3 * torch.randn_like(wav), wav))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        # The damaged wave is both what the net is given and what it is to return.
        Expected(("bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
