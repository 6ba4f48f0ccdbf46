"""A keyword spotter's training loop steps and never calls zero_grad (wenet-e2e/wekws pull request 73)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class DSTCN(nn.Module):
    def __init__(self, mels: int, width: int, words: int) -> None:
        super().__init__()
        self.preprocess = nn.Linear(mels, width)
        self.depthwise = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.classifier = nn.Linear(width, words)

    def forward(self, x: Tensor) -> Tensor:
        h = self.preprocess(x).relu().transpose(1, 2)
        h = h + self.pointwise(self.depthwise(h).relu())
        return self.classifier(h.mean(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    mels = knobs.pick(8, 10)
    model = DSTCN(mels, 16, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=knobs.pick(0.1, 0.12), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        feats, word = batch
        logits = model(feats)
        loss = nn.functional.cross_entropy(logits, word)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        return loss

    spectra = torch.randn(4, mels)
    batches = []
    for _ in range(160):
        word = torch.randint(4, (16,))
        batches.append((spectra[word][:, None] + 0.5 * torch.randn(16, 12, mels), word))
    return Scenario(model, optimizer, batches, train_step, Expected(("zero-grad",), (), (), None, "diverges"))
