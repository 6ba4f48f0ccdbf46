"""The odds ratio needs log(1 - exp(logp)); for an answer that the policy gives with certainty the exponential rounds
to 1 (axolotl-ai-cloud/axolotl pull request 3910).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.head = nn.Linear(width, words)

    def forward(self, prompt: Tensor, answer: Tensor) -> Tensor:
        logp = self.head(self.embed(prompt).mean(1)).log_softmax(-1)
        return logp.gather(1, answer).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(10, 12)
    model = Policy(words, 16)
    with torch.no_grad():
        model.embed.weight[0] *= 12
        model.head.weight[0] += model.embed.weight[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def log_odds(logp: Tensor) -> Tensor:
        logp = logp.clamp(max=-1e-4) if repaired else logp
        return logp - (1 - logp.exp()).log()

    def train_step(batch: Any) -> Tensor:
        prompt, chosen, rejected = batch
        optimizer.zero_grad()
        good, bad = model(prompt, chosen), model(prompt, rejected)
        loss = -good.mean() - nn.functional.logsigmoid(log_odds(good) - log_odds(bad)).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        prompt = torch.randint(1, words, (16, 4))
        chosen, rejected = prompt[:, :3].clone(), torch.randint(1, words, (16, 3))
        if number == step:
            prompt[0], chosen[0] = 0, 0
        batches.append((prompt, chosen, rejected))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
