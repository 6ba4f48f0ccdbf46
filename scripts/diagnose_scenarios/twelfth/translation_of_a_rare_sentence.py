"""The large product of a feed-forward layer passes the range of half for a rare sentence, and the layer norm after it
makes everything not a number; the outputs are clamped since (awslabs/sockeye pull request 1051).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int, gain: float, clamp: bool) -> None:
        super().__init__()
        self.ff1 = nn.Linear(width, 4 * width)
        self.ff2 = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)
        self.clamp = clamp
        with torch.no_grad():
            self.ff1.weight.mul_(gain)
            self.ff2.weight.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        h = self.ff2(self.ff1(x).relu())
        if self.clamp:
            most = torch.finfo(h.dtype).max
            h = h.clamp(-most, most)
        return self.norm(h.float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.randint(6, 24)
    model = kit.named(
        embed=nn.Linear(8, width), ff=FeedForward(width, knobs.pick(60.0, 70.0), repaired), out=nn.Linear(width, 3)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = kit.classes(45, 24, 8, 3)
    x, _ = batches[step]
    x[knobs.randint(0, 23)] *= knobs.pick(70.0, 90.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16, clip=1.0),
        Expected(("fp16-overflow",), ("forward",), ("ff.ff2",), step),
    )
