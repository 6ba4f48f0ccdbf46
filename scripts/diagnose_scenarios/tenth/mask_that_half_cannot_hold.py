"""A gated attention unit fills what it hides with minus 10^12, a number that half precision does not have; the filling
itself is refused (JunnYu/GAU-alpha-pytorch issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, width: int, inner: int, hide: float) -> None:
        super().__init__()
        self.inp = nn.Linear(width, 2 * inner + 8)
        self.gamma, self.beta = nn.Parameter(torch.ones(2, 8)), nn.Parameter(torch.zeros(2, 8))
        self.out = nn.Linear(inner, width)
        self.inner, self.hide = inner, hide

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        u, v, z = nn.functional.silu(self.inp(x)).split([self.inner, self.inner, 8], -1)
        q, k = (z[..., None, :] * self.gamma + self.beta).to(z.dtype).unbind(-2)
        scores = q @ k.transpose(1, 2) / 8**0.5
        weight = scores.masked_fill(~real[:, None, :], -self.hide).softmax(-1)
        return x + self.out(u * (weight @ v))


class Net(nn.Module):
    def __init__(self, words: int, width: int, hide: float) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.gau = Unit(width, 2 * width, hide)
        self.head = nn.Linear(width, 3)

    def forward(self, text: Tensor) -> Tensor:
        return self.head(self.gau(self.words(text), text > 0).amax(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(20, knobs.pick(8, 12), 1e4 if repaired else 1e12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = []
    for _ in range(50):
        label = torch.randint(3, (16,))
        text = 3 * torch.randint(1, 6, (16, 7)) + label[:, None]
        text[torch.rand(16) < 0.5, 4:] = 0
        batches.append((text, label))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("gau",), 0, "raises"),
    )
