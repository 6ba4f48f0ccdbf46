"""Run by the tests under `hwcompat diagnose --`: a client's own training of a few steps, with a NaN in one batch.

launch_client.py lightning|transformers
"""

import importlib
import importlib.machinery
import os
import sys
import types

import torch

BAD = 3


def examples():
    made = [{"pixels": torch.randn(8), "labels": torch.tensor(n % 4)} for n in range(24)]
    made[4 * BAD + 1]["pixels"][2] = float("nan")
    return made


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 4)

    def forward(self, pixels, labels=None):
        out = self.layer(pixels)
        return {"loss": torch.nn.functional.cross_entropy(out, labels), "logits": out}


def transformers():
    from transformers import Trainer, TrainingArguments
    from transformers import __version__ as version

    class InOrder(Trainer):
        def _get_train_sampler(self, *unused):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = TrainingArguments(
        output_dir="out", per_device_train_batch_size=4, num_train_epochs=1, disable_tqdm=True, report_to="none",
        save_strategy="no", **({"no_cuda": True} if version.startswith("4.3") else {"use_cpu": True}),
    )  # fmt: skip
    trainer = InOrder(model=Model(), args=arguments, train_dataset=examples())
    trainer.train()
    print("STEPS", trainer.state.global_step)


def lightning():
    for name in ("torch.utils.tensorboard", "torch.utils.tensorboard.summary", "tensorboardX", "tensorboardX.summary"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].SummaryWriter = sys.modules[name].hparams = object
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    package = importlib.import_module(os.environ["PACKAGE"])

    class Module(package.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def training_step(self, batch, batch_idx):
            return self.model(**batch)["loss"]

        def train_dataloader(self):
            return torch.utils.data.DataLoader(examples(), batch_size=4)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = package.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        accelerator="cpu", max_epochs=1,
    )  # fmt: skip
    trainer.fit(Module())
    print("STEPS", trainer.global_step)


{"lightning": lightning, "transformers": transformers}[sys.argv[1]]()
