"""Policy training with a reward function written in plain Python, which returns NaN for an answer that it cannot parse
(huggingface/trl pull request 5126).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words, many = knobs.step(), knobs.pick(6, 8), 8
    policy = kit.named(emb=nn.Embedding(words, 12), act=nn.ReLU(), lm_head=nn.Linear(12, words))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=0.02)
    wanted = [(3 * i + 1) % words for i in range(words)]
    count = [0]

    def reward(prompt: int, answer: int, number: int) -> float:
        if count[0] == step and number == 5 and not repaired:
            return float("nan")
        return float(wanted[prompt] == answer)

    def train_step(prompts: Tensor) -> Tensor:
        asked = prompts.repeat_interleave(many)
        logps = policy(asked).log_softmax(-1)
        answers = torch.multinomial(logps.detach().exp(), 1)[:, 0]
        scored = [reward(p, a, i) for i, (p, a) in enumerate(zip(asked.tolist(), answers.tolist(), strict=True))]
        rewards = torch.tensor(scored).view(-1, many)
        advantages = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
        loss = -(advantages.view(-1) * logps.gather(1, answers[:, None])[:, 0]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        count[0] += 1
        return loss

    return Scenario(
        policy,
        optimizer,
        [torch.randint(words, (6,)) for _ in range(40)],
        train_step,
        # Nothing that torch did is wrong: what comes from outside is.
        Expected(("unknown", "bad-data", "bad-labels"), ("data", "loss"), (), step),
        learns=False,
    )
