"""A group norm written by hand runs in float16 under autocast; the squares of a feature map of several hundreds are
infinite, although the map itself and its deviation are not (keras-team/keras pull request 22666).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GroupNorm(nn.Module):
    def __init__(self, groups: int, channels: int, full: bool) -> None:
        super().__init__()
        self.groups, self.full = groups, full
        self.gain, self.offset = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        kept = x.dtype
        h = (x.float() if self.full else x).unflatten(1, (self.groups, -1)).flatten(2)
        mean = h.mean(-1, keepdim=True)
        spread = (h * h).mean(-1, keepdim=True) - mean * mean
        h = ((h - mean) * torch.rsqrt(spread + 1e-3)).view_as(x).to(kept)
        return h * self.gain[:, None, None] + self.offset[:, None, None]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = 8, knobs.pick(330.0, 410.0)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        norm=GroupNorm(2, width, repaired),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 36, 3),
    )
    with torch.no_grad():
        model.conv.weight.mul_(level)
    optimizer = kit.adam(model, lr=0.005)
    return Scenario(
        model,
        optimizer,
        kit.images(50, 16, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("norm",), 0, "stalls"),
    )
