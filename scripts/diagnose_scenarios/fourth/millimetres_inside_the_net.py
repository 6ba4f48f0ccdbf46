"""A layer turns metres into millimetres in float16: harmless in a room, beyond 65504 in the street."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Millimetres(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.step()
    pose = nn.Linear(3, 3, bias=False)
    nn.init.orthogonal_(pose.weight)
    pose.requires_grad_(False)
    model = kit.named(
        pose=pose,
        unit=Millimetres(1.0 if repaired else 1000.0),
        norm=nn.LayerNorm(3),
        fc=nn.Linear(3, width),
        act=nn.ReLU(),
        head=nn.Linear(width, 1),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        x = torch.randn(32, 3) * 4
        if number == step:
            x[7] = nn.functional.normalize(torch.randn(3), dim=0) * knobs.randint(160, 300)
        batches.append((x, nn.functional.layer_norm(pose(x), (3,))[:, :1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, scaler=None, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("unit",), step),
    )
