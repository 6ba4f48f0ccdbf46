"""The time of each event is the running sum of the gaps before it, taken in bfloat16; from a few hundred on the sum
stands still and all late events look alike (tenstorrent/tt-metal pull request 41371).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Clock(nn.Module):
    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, gaps: Tensor) -> Tensor:
        total, times = torch.zeros(len(gaps), dtype=self.kind), []
        for gap in gaps.to(self.kind).unbind(1):
            total = total + gap
            times.append(total)
        return torch.stack(times, 1).float()


class Net(nn.Module):
    def __init__(self, width: int, kind: torch.dtype, longest: int) -> None:
        super().__init__()
        self.clock = Clock(kind)
        self.mid = nn.Linear(1, width)
        self.head = nn.Linear(width, 1)
        self.longest = longest

    def forward(self, gaps: Tensor) -> Tensor:
        late = self.clock(gaps)[:, -1:] / self.longest
        return self.head(self.mid(late).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(380, 420)
    model = Net(12, torch.float32 if repaired else torch.bfloat16, length)
    nn.init.normal_(model.head.weight, std=0.05)
    nn.init.zeros_(model.head.bias)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(40):
        gaps = torch.cat([torch.ones(32, 270), 0.2 + 0.7 * torch.rand(32, 1).expand(32, length - 270)], 1)
        last = gaps.sum(1, keepdim=True) / length
        batches.append((gaps, (last - last.mean()) / last.std()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("clock",), None, "stalls"),
    )
