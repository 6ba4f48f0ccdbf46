"""A distributed rule clips as if the loss scale were still on the gradients, which were unscaled before; the limit is
divided by the scale and almost nothing passes (NVIDIA/apex pull request 1512).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ShardedAdam:
    """Adam that knows the loss scale and clips by the norm over all its shards."""

    def __init__(self, model: nn.Module, lr: float, aware: bool) -> None:
        self.weights = list(model.parameters())
        self.inner = torch.optim.SGD(self.weights, lr=lr, momentum=0.9)
        self.aware = aware

    def unscale(self, scale: float) -> None:
        for weight in self.weights:
            weight.grad.div_(scale)

    def clip(self, most: float, scale: float) -> None:
        norm = torch.stack([weight.grad.norm() for weight in self.weights]).norm()
        if not self.aware:
            norm = norm * scale
        factor = (most / (norm + 1e-6)).clamp(max=1.0)
        for weight in self.weights:
            weight.grad.mul_(factor)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(9, 11), 16
    model = kit.named(embed=nn.Embedding(words, width), act=nn.GELU(), head=nn.Linear(width, words))
    sharded = ShardedAdam(model, 0.5, repaired)
    scale = 2.0 ** knobs.pick(12, 14)
    follow = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(model(text), follow[text])
        sharded.inner.zero_grad()
        (loss * scale).backward()
        sharded.unscale(scale)
        sharded.clip(1.0, scale)
        sharded.inner.step()
        return loss

    batches = [torch.randint(words, (32,)) for _ in range(50)]
    return Scenario(model, sharded.inner, batches, train_step, Expected(("scaler-misuse",), (), (), 0, "stalls"))
