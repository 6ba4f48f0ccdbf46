"""A transcript holds more letters than its sound has frames: no alignment exists and the CTC loss is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters = knobs.step(), knobs.pick(4, 5)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.ReLU(), head=nn.Linear(16, letters + 1))
    optimizer = kit.adam(model, lr=0.02)
    shapes = torch.randn(letters + 1, 6) * 1.5

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        logs = model(batch["frames"]).log_softmax(-1).transpose(0, 1)
        loss = nn.functional.ctc_loss(logs, batch["text"], batch["frame_count"], batch["letter_count"])
        loss.backward()
        optimizer.step()
        return loss

    def sound(length: int) -> dict[str, Tensor]:
        text = torch.stack([torch.randperm(letters)[:3] + 1 for _ in range(8)])
        frames = shapes[text].repeat_interleave(3, 1) + 0.3 * torch.randn(8, 9, 6)
        count = torch.full((8,), 9)
        count[knobs.randint(0, 7)] = length
        return {"frames": frames, "text": text, "frame_count": count, "letter_count": torch.full((8,), 3)}

    batches = [sound(2 if number == step and not repaired else 9) for number in range(60)]
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,), step))
