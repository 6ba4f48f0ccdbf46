"""Run by the tests inside an environment with Lightning: LightningCLI with the files it is given, and one real step.

    fit_lightning.py fit|construct FOLDER ...

Each folder holds lightning.yaml and small.yaml. `fit` trains one step. `construct` makes the Trainer only, on a torch
that is told from then on that it has one CUDA GPU, since on a CPU Lightning replaces float16 by bfloat16. What is
refused is answered with the words of the refusal. One process for many files: importing takes most of the time.
"""

import contextlib
import importlib
import importlib.machinery
import io
import json
import sys
import types

import torch

TENSORBOARD = ("torch.utils.tensorboard", "torch.utils.tensorboard.summary", "tensorboardX", "tensorboardX.summary")


def without_tensorboard():
    """Releases before 1.9 import it although nothing is logged here."""
    for name in TENSORBOARD:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].SummaryWriter = sys.modules[name].hparams = object
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)


def lightning():
    """The package and its LightningCLI, whichever distribution and era this is."""
    for package, cli in (
        ("lightning.pytorch", "cli"),
        ("pytorch_lightning", "cli"),
        ("pytorch_lightning", "utilities.cli"),
    ):
        try:
            return importlib.import_module(package), importlib.import_module(f"{package}.{cli}").LightningCLI
        except ModuleNotFoundError:
            continue
    raise SystemExit("no Lightning here")


def pretend_cuda():
    """One GPU, as far as choosing a precision asks."""
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda.get_device_name = lambda *arguments: "pretended"
    torch.cuda.get_device_capability = lambda *arguments: (8, 0)
    for name, module in list(sys.modules.items()):
        if "lightning" in name and hasattr(module, "num_cuda_devices"):
            module.num_cuda_devices = lambda: 1


without_tensorboard()
package, LightningCLI = lightning()
inside = []


class Model(package.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        out = self.layer(batch[0])
        inside.append(str(out.dtype))
        return out.float().sum()

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(2, 4)), batch_size=2)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def run(mode, folder):
    inside.clear()
    torch.backends.cudnn.benchmark = True
    sys.argv = ["train.py", "--config", f"{folder}/lightning.yaml", "--config", f"{folder}/small.yaml"]
    client = LightningCLI(Model, run=False, save_config_callback=None)
    trainer = client.trainer
    if mode == "fit":
        trainer.fit(client.model)
    plugin = trainer.precision_plugin
    context = getattr(plugin, "autocast_context_manager", None)
    return {
        "version": package.__version__,
        "precision": trainer.precision,
        "autocast": str(context().fast_dtype) if context else None,
        "scaler": getattr(plugin, "scaler", None) is not None,
        "inside": inside[-1] if inside else None,
        "steps": trainer.global_step,
        "weights": str(client.model.layer.weight.dtype),
        "benchmark": torch.backends.cudnn.benchmark,
        "accelerator": type(trainer.accelerator).__name__,
    }


answers = []
jobs = sys.argv[1:]
for mode, folder in zip(jobs[::2], jobs[1::2], strict=True):
    if mode == "construct":
        pretend_cuda()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            answers.append(run(mode, folder))
    except (Exception, SystemExit) as refusal:
        answers.append({"refused": f"{said.getvalue()} {refusal}"})
print("\nEFFECTIVE " + json.dumps(answers), flush=True)
