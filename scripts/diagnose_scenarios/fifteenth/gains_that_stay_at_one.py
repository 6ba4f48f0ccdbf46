"""A draft model is trained wholly in brain floats; its norms begin at one, and every step that the optimizer takes from
there is rounded back to one (vllm-project/speculators pull request 765).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Draft(nn.Module):
    def __init__(self, inputs: int, width: int, kind: torch.dtype) -> None:
        super().__init__()
        self.up = nn.Linear(inputs, width)
        self.norm = nn.LayerNorm(width, bias=False, dtype=kind)
        self.head = nn.Linear(width, 1, bias=False)
        self.up.requires_grad_(False)
        self.head.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x)
        h = h - h.mean(-1, keepdim=True)
        h = h / (h.var(-1, keepdim=True) + 1e-5).sqrt()
        return self.head(h * self.norm.weight.float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = Draft(8, width, torch.float32 if repaired else torch.bfloat16)
    optimizer = torch.optim.AdamW([model.norm.weight], lr=knobs.pick(1.5e-3, 1.8e-3), weight_decay=0.0)
    gain = 1 + 0.1 * torch.randn(width).sign()
    with torch.no_grad():
        batches = []
        for x in torch.randn(70, 48, 8):
            h = model.up(x)
            h = h - h.mean(-1, keepdim=True)
            batches.append((x, model.head(h / (h.var(-1, keepdim=True) + 1e-5).sqrt() * gain)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("optimizer",), ("norm",), 0, "stalls"),
    )
