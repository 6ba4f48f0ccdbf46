"""An attention hides padding with -1e10; under autocast its scores are float16, and torch refuses to write a number
that float16 does not have (NVIDIA/apex issue 1105).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, hidden: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = torch.bmm(q, k.transpose(1, 2)) / x.shape[-1] ** 0.5
        return torch.bmm(scores.masked_fill(mask[:, None] == 0, self.hidden).softmax(-1), v)


class Net(nn.Module):
    def __init__(self, inputs: int, width: int, hidden: float) -> None:
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.attn = Attention(width, hidden)
        self.out = nn.Linear(width, 1)

    def forward(self, fields: tuple[Tensor, Tensor]) -> Tensor:
        x, mask = fields
        h = self.inp(x)
        return self.out((h + self.attn(h, mask)) * mask[..., None]).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(6, knobs.pick(12, 16), -1e4 if repaired else -1e10)
    optimizer = kit.adam(model, lr=0.02)
    scaler = kit.new_scaler(2.0**10)
    batches = []
    for x, y in kit.sequences(50, 16, 7, 6):
        mask = (torch.arange(7) < torch.randint(4, 8, (16, 1))).float()
        batches.append(((x, mask), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",), 0, "raises"),
        scaler=scaler,
    )
