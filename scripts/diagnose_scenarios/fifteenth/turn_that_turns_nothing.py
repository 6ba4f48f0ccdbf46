"""The logarithm of a quaternion has no slope at the turn that turns nothing, which is where a net for poses begins
(kornia/kornia issue 4007).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pose(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.turn = nn.Linear(width, 4)
        nn.init.zeros_(self.turn.weight)
        with torch.no_grad():
            self.turn.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(self.turn(self.body(x).tanh()), dim=-1)


class Log(nn.Module):
    """Half the turn about each axis."""

    def __init__(self, edge: float) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, q: Tensor) -> Tensor:
        scalar, vector = q[:, :1], q[:, 1:]
        length = vector.norm(dim=-1, keepdim=True).clamp(min=1e-8)
        return vector * scalar.clamp(-1 + self.edge, 1 - self.edge).acos() / length.clamp(min=(2 * self.edge) ** 0.5)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(6, 8)
    model = kit.named(pose=Pose(inputs, 24), log=Log(1e-6 if repaired else 0.0))
    optimizer = kit.adam(model, 0.01)
    axes = 0.4 * torch.randn(inputs, 3) / inputs**0.5
    batches = [(x, (x @ axes).tanh()) for x in torch.randn(50, 32, inputs)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("log",), 0),
    )
