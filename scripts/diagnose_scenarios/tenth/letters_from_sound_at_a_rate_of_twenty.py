"""A convolutional recogniser is trained with the criterion for sequences at a plain rate that is far too high; at
once the loss is in the thousands (flashlight/wav2letter issue 154).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, width = 5, knobs.pick(16, 24)
    model = kit.named(
        conv1=nn.Conv1d(8, width, 5, padding=2),
        act1=nn.ReLU(),
        conv2=nn.Conv1d(width, width, 5, padding=2),
        act2=nn.ReLU(),
        head=nn.Conv1d(width, letters, 1),
    )
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(15.0, 25.0))
    voices = 1.5 * torch.randn(letters, 8)

    def train_step(batch: Any) -> Tensor:
        sound, text = batch
        logps = model(sound).permute(2, 0, 1).log_softmax(-1)
        lengths = torch.full((len(sound),), sound.shape[2]), torch.full((len(text),), text.shape[1])
        loss = nn.functional.ctc_loss(logps, text, *lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        text = torch.randint(1, letters, (12, 4))
        sound = voices[text].repeat_interleave(4, 1).transpose(1, 2)
        batches.append((sound + 0.3 * torch.randn_like(sound), text))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
