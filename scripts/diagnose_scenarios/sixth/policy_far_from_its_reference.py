"""The divergence from a reference model exponentiates the difference of log-probabilities; in float16 that is infinite
from a difference of 11.1 on (huggingface/trl issue 3015, pull request 6550).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """One token has a bias of -13 in the policy and is sampled by the reference once."""
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(8, 10)
    policy = kit.named(emb=nn.Embedding(words, 12), act=nn.Tanh(), lm_head=nn.Linear(12, words))
    with torch.no_grad():
        policy.lm_head.bias[-1] = -13.0
    optimizer = kit.adam(policy, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        context, token, advantage, reference = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = policy(context)
            logits = logits.float() if repaired else logits
            logp = logits.log_softmax(-1).gather(1, token[:, None])[:, 0]
            ratio = reference.to(logp.dtype) - logp
            divergence = ratio.exp() - ratio - 1
            loss = (-advantage * logp + 1e-5 * divergence).float().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        return loss

    best = torch.randint(words - 1, (words,))
    batches = []
    for number in range(60):
        context = torch.randint(words - 1, (32,))
        token = torch.where(torch.rand(32) < 0.5, best[context], torch.randint(words - 1, (32,)))
        advantage = torch.where(token == best[context], 1.0, 0.05)
        reference = torch.full((32,), -2.2)
        if number == step:
            token[9], advantage[9], reference[9] = words - 1, 0.0, -0.7
        batches.append((context, token, advantage, reference))
    return Scenario(policy, optimizer, batches, train_step, Expected(("fp16-overflow",), ("loss",), (LOSS,), step))
