"""Rewards are brought to deviation 1 within each question's group of answers; with one answer a group, the deviation
is not a number (axolotl-ai-cloud/axolotl pull request 3353).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(6, 8)
    generations = 8 if repaired else 1
    policy = kit.named(emb=nn.Embedding(words, 12), act=nn.ReLU(), lm_head=nn.Linear(12, words))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.02)
    wanted = torch.randperm(words)

    def train_step(questions: Tensor) -> Tensor:
        asked = questions.repeat_interleave(generations)
        logps = policy(asked).log_softmax(-1)
        with torch.no_grad():
            answers = torch.multinomial(logps.exp(), 1)[:, 0]
            rewards = (answers == wanted[asked]).float() + 0.01 * torch.rand(len(asked))
            grouped = rewards.view(-1, generations)
            mean, deviation = grouped.mean(1, keepdim=True), grouped.std(1, keepdim=True)
            advantages = ((grouped - mean) / (deviation + 1e-4)).view(-1)
        loss = -(advantages * logps.gather(1, answers[:, None])[:, 0]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        policy,
        optimizer,
        [torch.randint(words, (8,)) for _ in range(40)],
        train_step,
        Expected(("batch-statistics",), ("loss",), (LOSS,), 0),
        learns=False,
    )
