"""The feed-forward output of a summariser's last encoder layer just fits into float16; added to the residual it does
not (huggingface/transformers issue 12225, Pegasus).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(self.fc1(self.norm(x)).relu())


class Encoder(nn.Module):
    def __init__(self, words: int, width: int, high: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.layers = nn.Sequential(*(EncoderLayer(width) for _ in range(3)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        with torch.no_grad():
            for layer in list(self.layers)[1:]:
                layer.fc2.weight[0], layer.fc2.bias[0] = 0, high

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(self.embed(tokens).half())).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 15)
    model = Encoder(words, knobs.pick(16, 24), 40.0 if repaired else knobs.pick(36000.0, 40000.0))
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler(2.0**10)
    favourite = torch.randint(words, (3, 3))
    batches = []
    for _ in range(60):
        y = torch.randint(3, (16,))
        text = torch.randint(words, (16, 10))
        batches.append((torch.cat([text, favourite[y]], 1), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("layers.2",)),
        scaler=scaler,
    )
