"""Run by the tests inside a client's environment: parses each file strictly and trains one step with it.

FILE or FILE@WORD: WORD is what `accelerate launch` would put into ACCELERATE_MIXED_PRECISION. The model is a tiny one
made from a configuration, so nothing is fetched. Prints the fields and what was really computed in, by file.
"""

import json
import os
import sys

import torch
import yaml
from accelerate.state import AcceleratorState
from transformers import BertConfig, BertForSequenceClassification, HfArgumentParser, Trainer, TrainingArguments

FIELDS = ("output_dir", "fp16", "bf16", "fp16_full_eval", "bf16_full_eval", "tf32", "use_cpu", "no_cuda")
TINY = {
    "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8,
    "max_position_embeddings": 8,
}  # fmt: skip
SHORT = {"max_steps": 1, "disable_tqdm": True, "report_to": "none"}
EXAMPLES = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(n % 2)} for n in range(4)]


def train(path):
    parser = HfArgumentParser(TrainingArguments)
    parser.parse_yaml_file(path)
    with open(path, encoding="utf-8") as text:
        arguments, *_ = parser.parse_dict({**yaml.safe_load(text), **SHORT})  # some releases freeze what they parsed
    model = BertForSequenceClassification(BertConfig(**TINY))
    seen = []
    model.classifier.register_forward_hook(lambda layer, inputs, output: seen.append(str(output.dtype)))
    trainer = Trainer(model=model, args=arguments, train_dataset=EXAMPLES, eval_dataset=EXAMPLES)
    trainer.train()
    trainer.evaluate()
    return {
        "fields": {name: getattr(arguments, name) for name in FIELDS if name in vars(arguments)},
        "mixed_precision": str(trainer.accelerator.mixed_precision),
        "native_amp": trainer.accelerator.native_amp,
        "scaler": trainer.accelerator.scaler is not None,
        "training": seen[0],
        "evaluation": seen[-1],
        "weights afterwards": str(next(model.parameters()).dtype),
        "device": arguments.device.type,
        "steps": trainer.state.global_step,
    }


def attempt(path):
    path, _, word = path.partition("@")
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # releases before 5.0 leave it behind
    if word:
        os.environ["ACCELERATE_MIXED_PRECISION"] = word
    AcceleratorState._reset_state(True)
    try:
        return train(path)
    except (TypeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}


print("EFFECTIVE " + json.dumps({path: attempt(path) for path in sys.argv[1:]}))
