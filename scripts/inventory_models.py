"""Small real models for scripts/operator_inventory.py: architecture as published, few layers, random weights."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Data = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Model:
    """`build()` makes the network, `data(step)` one batch, `loss(net, data)` a scalar."""

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[int], Data]
    loss: Callable[[nn.Module, Data], torch.Tensor]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] = lambda net: torch.optim.AdamW(net.parameters())
    images: bool = False


def sgd(**options: Any) -> Callable[[nn.Module], torch.optim.Optimizer]:
    settings = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, **options}
    return lambda net: torch.optim.SGD(net.parameters(), **settings)


def adam(kind: str = "AdamW", **options: Any) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda net: getattr(torch.optim, kind)(net.parameters(), lr=1e-3, **options)


def picture(*shape: int) -> Callable[[int], Data]:
    return lambda step: {"x": torch.randn(*shape), "y": torch.randint(0, 10, shape[:1])}


def classified(net: nn.Module, data: Data) -> torch.Tensor:
    out = net(data["x"])
    return functional.cross_entropy(getattr(out, "logits", out), data["y"], label_smoothing=0.1)


# --- plain torch ------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block as in He et al. 2016."""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(True))
        self.b = nn.Sequential(nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout))
        plain = cin == cout and stride == 1
        self.c = nn.Identity() if plain else nn.Sequential(nn.Conv2d(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.b(self.a(x)) + self.c(x), inplace=True)


def resnet() -> nn.Module:
    stem = [nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)]
    body = [Block(16, 16), Block(16, 32, 2), Block(32, 48, 2)]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(48, 10))


class UNet(nn.Module):
    """Two levels down and up, transposed and interpolated, with the usual losses of segmentation."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.mid = self._double(3, 8), self._double(8, 16), self._double(16, 32)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.dec2, self.dec1, self.head = self._double(32, 16), self._double(24, 8), nn.Conv2d(8, 1, 1)
        self.deep = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(32, 32, 3, dilation=1, groups=4), nn.PReLU())

    @staticmethod
    def _double(cin: int, cout: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(cin, cout, 3, 1, 1), nn.InstanceNorm2d(cout, affine=True), nn.LeakyReLU(0.1, True),
            nn.Conv2d(cout, cout, 3, 1, 1), nn.GroupNorm(4, cout), nn.SiLU(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.down1(x)
        two = self.down2(functional.max_pool2d(one, 2))
        mid = self.deep(self.mid(functional.avg_pool2d(two, 2)))
        two = self.dec2(torch.cat([self.up2(mid), two], 1))
        return self.head(self.dec1(torch.cat([self.up1(two), one], 1)))


def dice_and_bce(net: nn.Module, data: Data) -> torch.Tensor:
    logits = net(data["x"])
    mask = (data["x"][:, :1] > 0).float()
    prob = logits.float().sigmoid()
    dice = 1 - (2 * (prob * mask).sum((1, 2, 3)) + 1) / (prob.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)
    return (
        functional.binary_cross_entropy_with_logits(logits, mask) + dice.mean() + functional.smooth_l1_loss(prob, mask)
    )


class Tagger(nn.Module):
    """Embedding, recurrent layers, linear: the shape of a sequence tagger."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 12, padding_idx=0)
        self.net = getattr(nn, cell)(12, 20, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.norm, self.head = nn.LayerNorm(40), nn.Linear(40, 10)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.net(self.table(tokens))[0]))


def tagged(net: nn.Module, data: Data) -> torch.Tensor:
    return functional.cross_entropy(net(data["x"]).flatten(0, 1), data["y"].flatten(), ignore_index=3)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, "gelu", batch_first=True, norm_first=True)
        self.table, self.net, self.head = nn.Embedding(50, 32), nn.TransformerEncoder(layer, 2), nn.Linear(32, 50)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.net(self.table(tokens), mask=mask, is_causal=True))


class Video(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ELU(), nn.MaxPool3d(2), nn.Conv3d(8, 8, 3, groups=8),
            nn.Hardswish(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Audio(nn.Module):
    """1-d convolutions, weight norm and a spectrum, as in speech models."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 8, 5, 2, 2))
        self.b = nn.Sequential(nn.BatchNorm1d(8), nn.GELU(), nn.Conv1d(8, 16, 3, padding=2, dilation=2), nn.GLU(1))
        self.c, self.head = nn.ConvTranspose1d(8, 8, 4, 2, 1), nn.Linear(8, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.c(functional.softplus(self.b(self.a(x)))).transpose(1, 2))


def spoken(net: nn.Module, data: Data) -> torch.Tensor:
    logits = net(data["x"]).float().log_softmax(-1).transpose(0, 1)
    sizes = torch.full((logits.shape[1],), logits.shape[0])
    targets = torch.randint(1, 11, (logits.shape[1], 5))
    return functional.ctc_loss(logits, targets, sizes, torch.full((logits.shape[1],), 5))


def pairs(net: nn.Module, data: Data) -> torch.Tensor:
    """A contrastive and a distillation loss around one encoder."""
    left, right = net(data["x"]), net(data["x"].flip(-1))
    a, b = functional.normalize(left, dim=-1), functional.normalize(right, dim=-1)
    logits = a @ b.t() / 0.07
    target = torch.arange(len(a))
    soft = functional.kl_div(left.log_softmax(-1), right.detach().softmax(-1), reduction="batchmean")
    cosine = functional.cosine_embedding_loss(left, right, torch.ones(len(a)))
    triplet = functional.triplet_margin_loss(left, right, right.roll(1, 0))
    robust = (
        functional.huber_loss(left, right.detach()) + functional.l1_loss(left, right) + functional.mse_loss(left, right)
    )
    return functional.cross_entropy(logits, target) + soft + cosine + triplet + robust


def tokens(rows: int, length: int, classes: int) -> Callable[[int], Data]:
    def data(step: int) -> Data:
        return {"x": torch.randint(0, 50, (rows, length)), "y": torch.randint(0, classes, (rows, length))}

    return data


def _plain(name: str) -> Model:
    small = picture(3, 3, 65, 65)
    return {
        "resnet": Model(name, resnet, small, classified, sgd(), True),
        "resnet_fused": Model(name, resnet, small, classified, sgd(fused=True), True),
        "unet": Model(name, UNet, picture(2, 3, 36, 36), dice_and_bce, adam("Adam", foreach=True), True),
        "lstm": Model(name, lambda: Tagger("LSTM"), tokens(4, 13, 10), tagged, adam("RMSprop")),
        "gru": Model(name, lambda: Tagger("GRU"), tokens(4, 13, 10), tagged, adam("Adagrad")),
        "rnn": Model(name, lambda: Tagger("RNN"), tokens(4, 13, 10), tagged, adam("NAdam", foreach=False)),
        "transformer": Model(name, Transformer, tokens(3, 17, 50), tagged, adam(fused=True)),
        "video": Model(name, Video, picture(2, 3, 6, 14, 14), classified, adam("Adam", amsgrad=True)),
        "audio": Model(name, Audio, picture(3, 1, 161), spoken, adam("RAdam", foreach=True)),
        "pairs": Model(name, resnet, picture(5, 3, 65, 65), pairs, sgd(foreach=True), True),
    }[name]


# --- packages ---------------------------------------------------------------------------------------------------------


def _ultralytics(name: str) -> Model:
    from ultralytics.cfg import get_cfg
    from ultralytics.nn import tasks

    kind, size = name.split("-")[1:]
    maker = {"detect": "DetectionModel", "segment": "SegmentationModel", "pose": "PoseModel", "obb": "OBBModel"}[kind]
    suffix = {"detect": "", "segment": "-seg", "pose": "-pose", "obb": "-obb"}[kind]

    def build() -> nn.Module:
        net = getattr(tasks, maker)(f"{size}{suffix}.yaml", ch=3, verbose=False)
        net.args = get_cfg()
        return net

    def data(step: int) -> Data:
        found = {
            "img": torch.rand(2, 3, 96, 96), "cls": torch.tensor([[1.0], [2.0], [3.0]]),
            "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.5], [0.3, 0.3, 0.3, 0.2], [0.6, 0.4, 0.5, 0.5]]),
            "batch_idx": torch.tensor([0.0, 0.0, 1.0]),
        }  # fmt: skip
        if kind == "segment":
            found |= {"masks": torch.randint(0, 3, (2, 24, 24)).float(), "sem_masks": torch.randint(0, 3, (2, 24, 24))}
        if kind == "pose":
            found["keypoints"] = torch.rand(3, 17, 3)
        if kind == "obb":
            found["bboxes"] = torch.cat([found["bboxes"], torch.rand(3, 1)], 1)
            found["cls"] = found["cls"]
        return found

    def loss(net: nn.Module, batch: Data) -> torch.Tensor:
        if not net.training:
            return net(batch["img"])
        return net(batch)[0].sum()

    return Model(name, build, data, loss, sgd(), True)


def _transformers(name: str) -> Model:
    import transformers

    kind = name.split("-")[1]
    tiny = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 50,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    vision = {"image_size": 32, "patch_size": 8, "num_labels": 10}

    def configuration() -> Any:
        t5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
        whisper = {
            "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
            "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 8,
            "max_source_positions": 32, "max_target_positions": 32, "decoder_start_token_id": 1,
        }  # fmt: skip
        special = {
            "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
            "t5": t5,
            "whisper": whisper,
            "clip": {"text_config": {**tiny, "projection_dim": 16}, "vision_config": {**tiny, **vision}},
        }
        wide = {} if kind in ("clip", "whisper", "t5") else tiny
        if kind in ("whisper", "t5"):
            wide = {k: v for k, v in tiny.items() if "token" in k or k == "vocab_size"}
        chosen = {**wide, **(vision if kind in ("vit", "swin") else {}), **special.get(kind, {})}
        if kind == "llama":
            chosen["num_key_value_heads"] = 2
        if kind == "swin":
            chosen = {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4],
                      "window_size": 4, "num_labels": 10}  # fmt: skip
        return getattr(transformers, heads[kind][0])(**chosen)

    heads = {
        "bert": ("BertConfig", "BertForMaskedLM"), "gpt2": ("GPT2Config", "GPT2LMHeadModel"),
        "llama": ("LlamaConfig", "LlamaForCausalLM"), "t5": ("T5Config", "T5ForConditionalGeneration"),
        "vit": ("ViTConfig", "ViTForImageClassification"), "clip": ("CLIPConfig", "CLIPModel"),
        "whisper": ("WhisperConfig", "WhisperForConditionalGeneration"),
        "swin": ("SwinConfig", "SwinForImageClassification"),
    }  # fmt: skip

    def build() -> nn.Module:
        return getattr(transformers, heads[kind][1])(configuration())

    def data(step: int) -> Data:
        ids = torch.randint(3, 50, (3, 13))
        ids[:, -1] = 2
        image = torch.randn(3, 3, 32, 32)
        if kind in ("vit", "swin"):
            return {"pixel_values": image, "labels": torch.randint(0, 10, (3,))}
        if kind == "clip":
            return {"pixel_values": image, "input_ids": ids, "return_loss": torch.tensor(True)}
        if kind == "whisper":
            return {"input_features": torch.randn(3, 8, 64), "labels": ids}
        mask = torch.ones_like(ids)
        mask[0, 9:] = 0
        return {"input_ids": ids, "labels": ids, "attention_mask": mask}

    return Model(name, build, data, lambda net, batch: net(**batch).loss, adam(), False)


def _diffusers(name: str) -> Model:
    import diffusers

    def build() -> nn.Module:
        blocks = {
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        }
        if name.endswith("vae"):
            return diffusers.AutoencoderKL(block_out_channels=(16,), norm_num_groups=4, latent_channels=4)
        return diffusers.UNet2DModel(
            sample_size=16, block_out_channels=(16, 32), norm_num_groups=4, attention_head_dim=8, **blocks
        )

    def loss(net: nn.Module, data: Data) -> torch.Tensor:
        if name.endswith("vae"):
            return functional.mse_loss(net(data["x"]).sample, data["x"])
        return functional.mse_loss(net(data["x"], torch.tensor([3, 500])).sample, torch.randn_like(data["x"]))

    return Model(name, build, picture(2, 3, 16, 16), loss, adam(), True)


class _Anything(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Names(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves any module of torchvision with any name in it: timm imports it for pictures, which nothing here has."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        mine = name.partition(".")[0] == "torchvision"
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if mine else None

    def create_module(self, spec: Any) -> ModuleType:
        module = ModuleType(spec.name)
        module.__version__ = "0.28.0"  # type: ignore[attr-defined]
        module.__getattr__ = _some_class  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def _some_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything(name, (), {})


def _timm(name: str) -> Model:
    for loaded in [key for key in sys.modules if key.partition(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Names())
    import timm

    size = 64
    architecture = name.split("-")[1]
    options = {"img_size": 64, "window_size": 2} if architecture.startswith("swin") else {}
    return Model(
        name, lambda: timm.create_model(architecture, num_classes=10, **options), picture(2, 3, size, size), classified,
        adam("Adam", foreach=True), True,
    )  # fmt: skip


TIMM = ("efficientnet_b0", "convnext_atto", "swin_tiny_patch4_window7_224", "mobilenetv3_small_050")

MODELS: dict[str, Callable[[str], Model]] = {
    **dict.fromkeys(
        ("resnet", "resnet_fused", "unet", "lstm", "gru", "rnn", "transformer", "video", "audio", "pairs"), _plain
    ),
    **dict.fromkeys(
        ("ultralytics-detect-yolo11n", "ultralytics-detect-yolov8n", "ultralytics-segment-yolo11n",
         "ultralytics-pose-yolo11n", "ultralytics-detect-yolo26n", "ultralytics-obb-yolo11n"), _ultralytics),
    **dict.fromkeys(
        [f"transformers-{kind}" for kind in ("bert", "gpt2", "llama", "t5", "vit", "clip", "whisper", "swin")],
        _transformers,
    ),
    **dict.fromkeys(("diffusers-unet", "diffusers-vae"), _diffusers),
    **dict.fromkeys(
        [f"timm-{kind}" for kind in TIMM],
        _timm,
    ),
}  # fmt: skip
"""Every model by name; the maker raises ImportError where its package is missing."""
