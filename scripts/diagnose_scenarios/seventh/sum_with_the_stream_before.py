"""Adding a block's output to the stream it came from passes the float16 range (as in huggingface/transformers pull
request 19229).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc(self.norm(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width), layer=Layer(width), last=nn.LayerNorm(width), out=nn.Linear(width, 1))
    level = knobs.pick(36e3, 40e3)
    with torch.no_grad():
        model.inp.bias.fill_(level)
        model.inp.weight.mul_(1e4)
        model.layer.fc.bias.fill_(level)
    optimizer = torch.optim.Adam([*model.last.parameters(), *model.out.parameters()], lr=0.05)
    batches = [(x.clamp(-2, 2) * 0.5, y) for x, y in kit.regression(80, 32, 6)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("layer",), 0),
    )
