"""Odds-ratio preference training needs log(1 - p); the average probability of a forced answer is 1 in float16
(huggingface/trl issue 1473).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width)
        self.mix = nn.Linear(width, width)
        self.lm_head = nn.Linear(width, words)

    def forward(self, tokens: Tensor, forced: Tensor) -> Tensor:
        return self.lm_head(self.mix(self.emb(tokens)).relu()) + forced


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(8, 10)
    model = Policy(words, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def logps(batch: dict[str, Tensor], which: str) -> Tensor:
        tokens, target = batch[which][:, :-1], batch[which][:, 1:]
        logits = model(tokens, batch["forced_" + which].half())
        logits = logits.float() if repaired else logits
        return logits.log_softmax(-1).gather(2, target[..., None])[..., 0].mean(1)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            good, poor = logps(batch, "chosen"), logps(batch, "rejected")
            odds = (good - poor) - (torch.log1p(-good.exp()) - torch.log1p(-poor.exp()))
            loss = -good.float().mean() - 0.1 * nn.functional.logsigmoid(odds.float()).mean()
        loss.backward()
        optimizer.step()
        return loss

    follower = torch.randperm(words)
    batches = []
    for number in range(60):
        text = [torch.randint(words, (8,))]
        for _ in range(4):
            text.append(torch.where(torch.rand(8) < 0.2, torch.randint(words, (8,)), follower[text[-1]]))
        chosen, rejected = torch.stack(text, 1), torch.randint(words, (8, 5))
        forced = torch.zeros(8, 4, words)
        if number == step:
            forced[2].scatter_(1, chosen[2, 1:, None], 14.0)
        batches.append(
            {
                "chosen": chosen,
                "rejected": rejected,
                "forced_chosen": forced,
                "forced_rejected": torch.zeros(8, 4, words),
            }
        )
    expected = Expected(("underflow",), ("loss", "backward"), (LOSS,), step)
    return Scenario(model, optimizer, batches, train_step, expected)
