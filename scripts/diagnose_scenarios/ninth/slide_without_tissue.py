"""Stains are normalised on the fly while slides are loaded; a tile that holds hardly any tissue makes the estimate ill-
conditioned, and the tile comes back with NaN (CielAl/torch-staintools issue 23).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def stain_normalised(tile: Tensor, keep_blank: bool) -> Tensor:
    """Optical density [3, h, w] over its 99th percentile in each stain; background does not count."""
    density = -torch.log(tile.clamp(1e-3, 1))
    tissue = density.mean(0) > 0.15
    if keep_blank and int(tissue.sum()) < 4:
        return density
    strengths = density[:, tissue]
    top = strengths.sort(1).values[:, -1] if strengths.shape[1] else torch.full((3,), torch.nan)
    return density / top[:, None, None]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3), norm=nn.BatchNorm2d(width), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1)
    )
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    colours = torch.tensor([[0.5, 0.3, 0.7], [0.8, 0.4, 0.5]])
    batches = []
    for number in range(50):
        y = torch.randint(2, (12,))
        tiles = (colours[y][:, :, None, None] + 0.1 * torch.randn(12, 3, 8, 8)).clamp(0.02, 0.98)
        if number == step:
            tiles[knobs.randint(0, 11)] = 0.97
        batches.append((torch.stack([stain_normalised(tile, repaired) for tile in tiles]), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
