"""Run by the tests inside a client's environment: Detectron2's own merge of each file, then one step of DefaultTrainer.

    train_detectron2.py RUNS.json

RUNS.json: {name: {"config": file, "words": options after the command line, "gpu": bool}}. With "gpu" AMPTrainer's check
sees a GPU that is not there, and a recorder stands in for autocast. Printed: {name: what was in force, or {"error": }}.
Detectron2's and torchvision's compiled operators are left out: the model is a small one of its own.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

warnings.filterwarnings("ignore")

import torch  # noqa: E402

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision.extension  # noqa: E402

torchvision.extension._has_ops = lambda: True
from PIL import Image  # noqa: E402

Image.LINEAR = Image.BILINEAR  # releases up to 0.6 use the name that Pillow 10 dropped
import detectron2  # noqa: E402

detectron2._C = SimpleNamespace()
from detectron2.config import get_cfg  # noqa: E402
from detectron2.engine import DefaultTrainer  # noqa: E402
from detectron2.engine.train_loop import AMPTrainer  # noqa: E402

FOUND = {}


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, data):
        output = self.layer(data)
        FOUND["arithmetic"] = str(output.dtype)
        return {"loss": output.float().square().mean()}


class Trainer(DefaultTrainer):
    @classmethod
    def build_model(cls, cfg):
        return Tiny().to(cfg.MODEL.DEVICE)

    @classmethod
    def build_train_loader(cls, cfg):
        return [torch.ones(2, 4)]

    def build_hooks(self):
        return []


@contextlib.contextmanager
def recorder(dtype="torch's default"):
    FOUND["asked"] = str(dtype)
    yield


def a_gpu(pretended):
    """AMPTrainer's own step, which sees a GPU and the recorder where `pretended`."""
    original = AMPTrainer.run_step

    def run_step(self):
        with (
            mock.patch("torch.cuda.is_available", return_value=True),
            mock.patch("torch.cuda.amp.autocast", recorder),
            mock.patch("torch.cuda.stream", contextlib.nullcontext),
        ):
            original(self)

    return mock.patch.object(AMPTrainer, "run_step", run_step if pretended else original)


def in_force(file, words, gpu):
    FOUND.clear()
    config = get_cfg()
    config.merge_from_file(file)
    config.merge_from_list(words)
    config.SOLVER.MAX_ITER = 1
    config.OUTPUT_DIR = "output"
    device = config.MODEL.DEVICE
    config.MODEL.DEVICE = "cpu"
    with a_gpu(gpu):
        trainer = Trainer(config)
        before = [p.detach().clone() for p in trainer._trainer.model.parameters()]
        trainer.train()
    after = trainer._trainer.model.parameters()
    return {
        **FOUND,
        "amp": config.SOLVER.AMP.ENABLED,
        "benchmark": config.CUDNN_BENCHMARK,
        "device": device,
        "depth": config.MODEL.RESNETS.DEPTH,
        "trainer": type(trainer._trainer).__name__,
        "moved": any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)),
    }


answers = {}
for name, run in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
    try:
        answers[name] = in_force(run["config"], run["words"], run["gpu"])
    except Exception as error:  # the tests compare its words
        answers[name] = {"error": f"{type(error).__name__}: {error}"}
print("\nEFFECTIVE " + json.dumps(answers))
