"""Started by `accelerate launch` in the tests: one training step, then the precision that was really used."""

import json

import torch
from accelerate import Accelerator


class Watched(torch.nn.Linear):
    """Notes the dtype of what it computes inside the forward pass, where autocast is on or is not."""

    def forward(self, batch):
        product = super().forward(batch)
        seen.append(product.dtype)
        return product


seen = []
accelerator = Accelerator()
model = Watched(4, 4)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
accelerator.backward(model(torch.randn(2, 4)).sum())
optimizer.step()
print(
    "EFFECTIVE "
    + json.dumps(
        {
            "mixed_precision": accelerator.mixed_precision,
            "native_amp": accelerator.native_amp,
            "inside": str(seen[0]),
            "weights": str(next(model.parameters()).dtype),
            "scaler": accelerator.scaler is not None,
            "device": accelerator.device.type,
        }
    ),
    flush=True,
)
