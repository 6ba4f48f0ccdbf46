"""Every block adds to a residual stream in float16; a loud sample brings the sum past 65504 in the last block."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up(self.norm(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 10), knobs.randint(8, 20)
    blocks = nn.Sequential(*(Block(width) for _ in range(3)))
    inp, head = nn.Linear(8, width, bias=False), nn.Linear(width, 1)
    model = kit.named(inp=inp, blocks=blocks, squash=nn.Softsign(), head=head)
    with torch.no_grad():
        model.inp.weight.copy_(torch.eye(width, 8))
        blocks[2].down.bias[0] = 30000.0
    model.inp.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    batches = kit.regression(60, 16, 8)
    for x, _ in batches:
        x[:, 0] = 15000 + 15000 * torch.rand(16)
    batches[step][0][knobs.randint(0, 15), 0] = knobs.pick(40000.0, 45000.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("blocks.2",), step),
    )
