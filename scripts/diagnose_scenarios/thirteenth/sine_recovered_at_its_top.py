"""An angle is recovered by asin of a clamped ratio; a ratio clamped to exactly 1 lies where the slope is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Angle(nn.Module):
    def __init__(self, top: float) -> None:
        super().__init__()
        self.top = top

    def forward(self, x: Tensor) -> Tensor:
        ratio = x[:, :1] / x.square().sum(1, keepdim=True).sqrt()
        return torch.asin(self.top * ratio)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(2, 12)
    model = kit.named(inp=nn.Linear(4, 2, bias=False), angle=Angle(0.999 if repaired else 1.0), head=nn.Linear(1, 1))
    with torch.no_grad():
        model.inp.weight.copy_(torch.tensor([[0.5, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.7]]))
    model.inp.weight.register_hook(lambda grad: grad * torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))
    optimizer = kit.sgd(model, lr=0.05)
    batches = []
    for _ in range(60):
        x = torch.randn(16, 4)
        x[:, 3] = torch.where(x[:, 3].abs() < 0.3, 0.3, x[:, 3])
        batches.append((x, torch.atan2(x[:, :3].mean(1), x[:, 3].abs())[:, None] * 2 + 1))
    spot = knobs.randint(0, 15)
    batches[step][0][spot] = torch.tensor([knobs.pick(1.0, 2.0), 1.0, 1.0, 0.0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("angle",), step),
    )
