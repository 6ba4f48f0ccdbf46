"""What to change, in the words of each client: data, kept as a literal since the island reads no YAML.

REMEDIES[client][cause] = (text, where the client documents it). A cause that is missing needs no word of the client.
"""

from dataclasses import replace

YOLO = "https://docs.ultralytics.com/usage/cfg/#train-settings"
HF = "https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments"
PRECISION = "https://lightning.ai/docs/pytorch/stable/common/precision_basic.html"
FLAGS = "https://lightning.ai/docs/pytorch/stable/common/trainer.html"

_YOLO_OFF = ("train(amp=False)", YOLO)
_YOLO_RANGE = (
    "train(amp=False); or amp='bf16' in releases that know it, where bfloat16 is native",
    YOLO,
)
_YOLO_LR = ("train(optimizer='SGD', lr0=0.001): with optimizer='auto', the default, lr0 is ignored", YOLO)
_HF_OFF = ("TrainingArguments(fp16=False, bf16=False)", HF)
_HF_RANGE = ("TrainingArguments(fp16=False), with bf16=True where the card has native bfloat16", HF)
_HF_CLIP = ("TrainingArguments(max_grad_norm=1.0): it clips after unscaling", HF)
_PL_OFF = ('Trainer(precision="32-true"); before 2.0: precision=32', PRECISION)
_PL_RANGE = (
    'Trainer(precision="bf16-mixed") where that is native, else "32-true"; before 2.0: "bf16", 32',
    PRECISION,
)
_PL_CLIP = ("Trainer(gradient_clip_val=1.0): it clips after unscaling", FLAGS)
_PL_OPT = "configure_optimizers() of the LightningModule: "

REMEDIES = {
    "ultralytics": {
        "hardware": _YOLO_OFF,
        "library": _YOLO_OFF,
        "compiler": ("train(compile=False)", YOLO),
        "fp16-overflow": _YOLO_RANGE,
        "fp16-accumulation": _YOLO_RANGE,
        "underflow": _YOLO_RANGE,
        "gradient-underflow": _YOLO_RANGE,
        "learning-rate": _YOLO_LR,
        "exploding-gradients": (_YOLO_LR[0] + "; gradients are clipped at 10.0 already", YOLO),
        "weight-decay": ("train(weight_decay=0.0005)", YOLO),
        "bad-data": ("hwcompat diagnose --data data.yaml lists every bad file", YOLO),
        "bad-labels": ("hwcompat diagnose --data data.yaml lists every bad label", YOLO),
        "input-scale": ("images are divided by 255: store them with 8 bits", YOLO),
        "batch-statistics": ("train(batch=...) of at least 2", YOLO),
    },
    "lightning": {
        "hardware": _PL_OFF,
        "library": _PL_OFF,
        "compiler": ("give fit() the module itself, not torch.compile(module)", FLAGS),
        "fp16-overflow": _PL_RANGE,
        "fp16-accumulation": _PL_RANGE,
        "underflow": _PL_RANGE,
        "gradient-underflow": ('Trainer(precision="16-mixed") scales the loss; "16-true" does not', PRECISION),
        "learning-rate": (_PL_OPT + "lr", FLAGS),
        "exploding-gradients": _PL_CLIP,
        "weight-decay": (_PL_OPT + "weight_decay", FLAGS),
        "optimizer-eps": (_PL_OPT + 'eps=1e-4, or precision="16-mixed" instead of "16-true"', PRECISION),
        "scaler-misuse": ("leave scaling and clipping to the Trainer: gradient_clip_val=", FLAGS),
        "zero-grad": ("leave zero_grad to the Trainer, or call it in manual optimization", FLAGS),
        "batch-statistics": ("DataLoader(drop_last=True)", "https://docs.pytorch.org/docs/stable/data.html"),
    },
    "transformers": {
        "hardware": _HF_OFF,
        "library": _HF_OFF,
        "compiler": ("TrainingArguments(torch_compile=False)", HF),
        "fp16-overflow": _HF_RANGE,
        "fp16-accumulation": _HF_RANGE,
        "underflow": _HF_RANGE,
        "gradient-underflow": ("load the weights in float32 and pass fp16=True, which scales the loss", HF),
        "learning-rate": ("TrainingArguments(learning_rate=...), a tenth of it, and warmup_steps", HF),
        "exploding-gradients": _HF_CLIP,
        "weight-decay": ("TrainingArguments(weight_decay=0.01)", HF),
        "optimizer-eps": ("load the weights in float32, or TrainingArguments(adam_epsilon=1e-4)", HF),
        "scaler-misuse": ("leave scaling and clipping to the Trainer: max_grad_norm=", HF),
        "batch-statistics": ("TrainingArguments(dataloader_drop_last=True)", HF),
    },
}

NAMES = {"ultralytics": "Ultralytics", "lightning": "Lightning", "transformers": "transformers"}

CHECKPOINT = {
    "ultralytics": "start anew from pretrained weights; do not resume=True a last.pt written after this batch, since "
    "resuming also restores the old arguments",
    "lightning": "do not pass ckpt_path= of a checkpoint written after this batch",
    "transformers": "do not resume_from_checkpoint one written after this batch",
}


def in_words_of(client, finding):
    """The finding with its remedy in the client's words, and what not to resume."""
    known = REMEDIES.get(client, {}).get(finding.cause)
    words = ["%s: %s" % (NAMES[client], known[0])] if known else []
    advice = [CHECKPOINT[client]] if client in CHECKPOINT else []
    return replace(finding, remedy="; ".join([part for part in [finding.remedy] + words + advice if part]))
