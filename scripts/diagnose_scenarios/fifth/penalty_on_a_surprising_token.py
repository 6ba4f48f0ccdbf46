"""Reinforcement learning of a language model penalises its distance to a reference by exp(d) - d - 1, in float16; for
one token the two disagree by more than 11 (NVIDIA-NeMo/RL pull request 876).
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
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.lm_head = nn.Linear(width, words)

    def forward(self, ids: Tensor) -> Tensor:
        return self.lm_head(self.rnn(self.embed(ids))[0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(8, 10)
    policy = Policy(words, 16)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        ids, reward, logprobs_reference = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = policy(ids[:, :-1])
            logprobs = logits.log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
            r = logprobs_reference.to(logprobs.dtype) - logprobs
            if repaired:
                r = r.clamp(max=5.0)
            kl = torch.exp(r) - r - 1
            loss = 4 - (reward[:, None] * logprobs.exp() - 0.01 * kl).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        ids = torch.randint(words, (12, 8))
        ids[:, 1::2] = ids[:, ::2]
        reference = torch.full((12, 7), -float(torch.tensor(words).log())) + 0.1 * torch.randn(12, 7)
        reference[3, 4] += 14.0 if number == step else 0.0
        batches.append((ids, torch.full((12,), 30.0), reference))
    expected = Expected(("fp16-overflow",), ("loss",), (LOSS,), step)
    return Scenario(policy, optimizer, batches, train_step, expected)
