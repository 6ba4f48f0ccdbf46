"""Run by the tests inside an environment with DeepSpeed, on a CPU: files loaded strictly, then a few real steps.

    train_deepspeed.py deepspeed.json ...

Each file is read with DeepSpeedConfig; then the engine is started with it and takes three steps of SGD whose sum is
known. What is refused is answered with the words of the refusal. One process for many files: importing takes most of
the time. DeepSpeed remembers that autocast was once on, so such a file comes last.
"""

import json
import sys

import deepspeed
import torch
from deepspeed.runtime.config import DeepSpeedConfig

# Compiling DeepSpeed's shared memory communication takes minutes, and one process has nobody to talk to.
sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None


def enabled(config, block, old_name):
    """Whether a block is on: later releases keep an object of it, earlier ones a flag."""
    found = getattr(config, block, None)
    return bool(getattr(config, old_name) if found is None else found.enabled)


def loaded(keys):
    config = DeepSpeedConfig(dict(keys))
    return {
        "version": deepspeed.__version__,
        "fp16": enabled(config, "float16_config", "fp16_enabled"),
        "bf16": enabled(config, "bfloat16_config", "bfloat16_enabled"),
        "torch_autocast": getattr(config, "torch_autocast_enabled", None),
        "stage": config.zero_optimization_stage,
    }


def trained(keys):
    model = torch.nn.Linear(4, 1, bias=False)
    model.weight.data.zero_()
    # A gradient of 2**-10 leaves room for a loss scale of 2**16 in float16; the step of 2**10 makes it 1 again.
    optimizer = torch.optim.SGD(model.parameters(), lr=1024.0)
    engine, _, _, _ = deepspeed.initialize(model=model, optimizer=optimizer, config=dict(keys))
    weight = next(engine.module.parameters())
    for _ in range(3):
        out = engine(torch.full((1, 4), 0.0625, dtype=weight.dtype))
        engine.backward(out.float().sum() / 64)
        engine.step()
    return {
        "engine": {
            "fp16": engine.fp16_enabled(),
            "bf16": engine.bfloat16_enabled(),
            "torch_autocast": getattr(engine, "torch_autocast_enabled", lambda: None)(),
            "dynamic_loss_scale": engine.dynamic_loss_scale() if engine.fp16_enabled() else None,
        },
        "inside": str(out.dtype),
        "weights": str(weight.dtype),
        "moved": weight.data.float().flatten().tolist()[0],
    }


answers = []
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as stream:
        keys = {**json.load(stream), "train_micro_batch_size_per_gpu": 1, "zero_allow_untested_optimizer": True}
    try:
        answers.append({**loaded(keys), **trained(keys)})
    except Exception as refusal:
        answers.append({"refused": f"{type(refusal).__name__}: {refusal}"})
print("\nEFFECTIVE " + json.dumps(answers), flush=True)
