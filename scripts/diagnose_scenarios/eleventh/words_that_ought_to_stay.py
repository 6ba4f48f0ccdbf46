"""One new word is learnt for a model of pictures, and the gradients of all other words are set to zero; the decay of
AdamW takes them to nothing nevertheless (huggingface/diffusers issue 1176).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(20, 30), 8
    new = words - 1
    text = nn.Embedding(words, width)
    unet = kit.mlp(width, 16, 2)
    unet.requires_grad_(False)
    model = kit.named(text=text, unet=unet)
    with torch.no_grad():
        wanted = text.weight.clone()
        text.weight[new] *= 0.9
    decay = 0.0 if repaired else knobs.pick(1.5, 2.0)
    optimizer = torch.optim.AdamW(text.parameters(), lr=0.03, weight_decay=decay)
    others = torch.arange(words) != new

    def train_step(batch: Any) -> Tensor:
        prompt, picture = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(unet(text(prompt).sum(1) / 2), picture)
        loss.backward()
        text.weight.grad[others] = 0.0
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        prompt = torch.randint(words - 1, (32, 4))
        prompt[:, 0] = new
        with torch.no_grad():
            batches.append((prompt, unet(wanted[prompt].sum(1) / 2)))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("weight-decay",), ("optimizer",), ("text",), None, "diverges")
    )
