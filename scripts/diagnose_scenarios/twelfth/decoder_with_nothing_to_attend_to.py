"""A decoder that is to go on without any condition gets a context of padding alone, and all that it says is not a
number (lucidrains/x-transformers issue 263).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cross(nn.Module):
    """Attention to a context, and to a learnt place beside it where there is one."""

    def __init__(self, width: int, learnt: bool) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.null = nn.Parameter(torch.randn(1, 1, width)) if learnt else None

    def forward(self, x: Tensor, context: Tensor, padding: Tensor) -> Tensor:
        if self.null is not None:
            context = torch.cat([self.null.expand(len(x), 1, -1), context], 1)
            padding = nn.functional.pad(padding, (1, 0))
        k, v = self.to_kv(context).chunk(2, -1)
        scores = torch.einsum("bid,bjd->bij", self.to_q(x), k) * k.shape[-1] ** -0.5
        return scores.masked_fill(padding[:, None], float("-inf")).softmax(-1) @ v


class Decoder(nn.Module):
    def __init__(self, tokens: int, width: int, learnt: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.cross_attn = Cross(width, learnt)
        self.norm = nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, tokens)

    def forward(self, tokens: Tensor, context: Tensor, padding: Tensor) -> Tensor:
        h = self.embed(tokens)
        h = h + self.cross_attn(h, context, padding)
        return self.to_logits(self.norm(h))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tokens, width, step = knobs.pick(8, 10), 16, knobs.randint(4, 24)
    model = Decoder(tokens, width, repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    follow = torch.randperm(tokens)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        logits = model(batch["tokens"], batch["context"], batch["padding"])
        loss = nn.functional.cross_entropy(logits.mT, follow[batch["tokens"]])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(40):
        padding = torch.arange(4) >= torch.randint(1, 5, (8, 1))
        if number == step:
            padding[knobs.randint(0, 7)] = True
        batches.append(
            {"tokens": torch.randint(tokens, (8, 6)), "context": torch.randn(8, 4, width), "padding": padding}
        )
    return Scenario(
        model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("cross_attn",), step)
    )
