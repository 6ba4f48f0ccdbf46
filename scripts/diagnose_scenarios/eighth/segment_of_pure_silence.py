"""The data set divides every segment by its peak; one segment is digital silence, so that the batch holds 0 over 0
(bshall/hifigan issue 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def loudest_one(wave: Any, gain: float, least: float) -> Any:
    with np.errstate(invalid="ignore"):
        return gain * wave / np.maximum(np.abs(wave).max(-1, keepdims=True), least)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(48, 64)
    model = kit.named(
        down=nn.Conv1d(1, 8, 4, stride=4),
        act=nn.LeakyReLU(0.1),
        up=nn.ConvTranspose1d(8, 1, 4, stride=4),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.8, 0.99))
    batches = []
    for number in range(60):
        t = np.arange(length) / 8
        wave = np.sin(t + 6.28 * np.asarray(torch.rand(8, 1))) * np.asarray(torch.rand(8, 1) + 0.1)
        if number == step:
            wave[knobs.randint(0, 7)] = 0
        x = torch.from_numpy(loudest_one(wave, 0.95, 1e-3 if repaired else 0.0)).float()[:, None]
        batches.append((x, x))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
