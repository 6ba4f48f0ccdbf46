"""Every step takes eight small batches, divides each loss by eight, and clips once at the end (karpathy/nanoGPT issue
605).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 14)
    model = kit.named(wte=nn.Embedding(words, 16), fc=nn.Linear(16, 32), act=nn.GELU(), lm_head=nn.Linear(32, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    scaler = kit.new_scaler(2.0**14)
    follower = torch.randperm(words)

    def train_step(micro_batches: list[Tensor]) -> Tensor:
        total = torch.zeros(())
        for tokens in micro_batches:
            with kit.autocast(torch.float16):
                logits = model(tokens)
            loss = kit.cross_entropy(logits, follower[tokens]) / len(micro_batches)
            scaler.scale(loss).backward()
            total += loss.detach()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        return total

    batches = [[torch.randint(words, (8,)) for _ in range(8)] for _ in range(40)]
    return Scenario(model, optimizer, batches, train_step, scaler=scaler)
