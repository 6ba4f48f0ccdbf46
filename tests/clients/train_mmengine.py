"""Run by the tests inside a client's environment: a training step a run through Runner.train(), and what was in force.

    train_mmengine.py RUNS.json

RUNS.json: {name: {"config": file, "options": words after --cfg-options, "gpu": bool}}. With "gpu" AmpOptimWrapper's
device check sees a GPU that is not there, and a recorder stands in for torch.autocast, so that what MMEngine asks of
torch can be read on a CPU. Printed: {name: what was in force, or {"error": the exception}}.
"""

import argparse
import contextlib
import json
import sys
import warnings
from pathlib import Path
from unittest import mock

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from mmengine.config import Config, DictAction  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.registry import MODELS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

FOUND = {}


@MODELS.register_module()
class Tiny(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs, mode="tensor"):
        output = self.layer(torch.stack(inputs))
        FOUND["arithmetic"] = str(output.dtype)
        return {"loss": output.float().square().mean()}


@contextlib.contextmanager
def recorder(device_type, enabled, dtype, cache_enabled):
    FOUND["asked"] = [device_type, str(dtype), enabled]
    yield


def a_gpu(pretended):
    """What makes MMEngine see a GPU; nothing where `pretended` is false."""
    stack = contextlib.ExitStack()
    replacements = {
        "mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available": lambda: True,
        "mmengine.runner.amp.get_device": lambda: "cuda",
        "torch.cuda.is_bf16_supported": lambda: True,
        "torch.autocast": recorder,
    }
    for name, stand_in in replacements.items() if pretended else ():
        stack.enter_context(mock.patch(name, stand_in))
    return stack


def loaded(file, options):
    """The config as tools/train.py of MMDetection reads it: the file, then --cfg-options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    config = Config.fromfile(file)
    config.merge_from_dict(parser.parse_args(["--cfg-options", *options] if options else []).cfg_options or {})
    config.train_dataloader = {
        "dataset": [{"inputs": torch.ones(4)}] * 2, "batch_size": 2, "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False}, "collate_fn": {"type": "pseudo_collate"},
    }  # fmt: skip
    return config


def in_force(name, file, options, gpu):
    FOUND.clear()
    torch.backends.cudnn.benchmark = False
    config = loaded(file, options)
    config.experiment_name = name
    with a_gpu(gpu):
        runner = Runner.from_cfg(config)
        before = [p.detach().clone() for p in runner.model.parameters()]
        runner.train()
    wrapper = runner.optim_wrapper
    return {
        **FOUND,
        "wrapper": type(wrapper).__name__,
        "optimizer": type(wrapper.optimizer).__name__,
        "cast_dtype": str(getattr(wrapper, "cast_dtype", None)),
        "constant_scale": getattr(wrapper, "_scale_update_param", None),
        "scaler": hasattr(wrapper, "loss_scaler"),
        "benchmark": torch.backends.cudnn.benchmark,
        "moved": any(not torch.equal(a, b) for a, b in zip(before, runner.model.parameters(), strict=True)),
    }


answers = {}
for name, run in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
    try:
        answers[name] = in_force(name, run["config"], run["options"], run["gpu"])
    except Exception as error:  # the tests compare its words
        answers[name] = {"error": f"{type(error).__name__}: {error}"}
print("\nEFFECTIVE " + json.dumps(answers))
