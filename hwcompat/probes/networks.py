"""The layer sizes of networks that people train, as data: what the shape sweeps run.

Read off the published definitions: YOLOv8 and YOLO11 (https://github.com/ultralytics/ultralytics, cfg/models),
ResNet-50 (https://arxiv.org/abs/1512.03385, table 1), the UNet of Stable Diffusion 1.5
(https://github.com/CompVis/stable-diffusion, configs/stable-diffusion/v1-inference.yaml), ViT-B/16
(https://arxiv.org/abs/2010.11929), BERT base (https://arxiv.org/abs/1810.04805), GPT-2
(https://github.com/openai/gpt-2), LLaMA 7B (https://arxiv.org/abs/2302.13971), MobileNetV2
(https://arxiv.org/abs/1801.04381), ConvNeXt-T (https://arxiv.org/abs/2201.03545).
"""

import heapq
from collections import namedtuple

Convolution = namedtuple("Convolution", "network cin cout size kernel stride")
"""`size`: height and width of the input; padding is half of the kernel, none for patches (stride = kernel > 3)."""

Linear = namedtuple("Linear", "network rows inputs outputs")
"""`rows`: tokens a sample; a sweep multiplies them by the batch."""


def _table(text, kind):
    """One `network: a b c ..., a b c ...` a line; numbers in the order of the fields of `kind`."""
    rows = []
    for line in text.strip().splitlines():
        network, _, entries = line.partition(":")
        rows += [kind(network.strip(), *[int(n) for n in entry.split()]) for entry in entries.split(",")]
    return tuple(rows)


CONVOLUTIONS = _table(
    """
    YOLOv8n at 640, stem and down: 3 16 640 3 2, 16 32 320 3 2, 32 64 160 3 2, 64 128 80 3 2, 128 256 40 3 2
    YOLOv8n at 640, blocks: 16 16 160 3 1, 32 32 80 3 1, 64 64 40 3 1, 128 128 20 3 1, 48 32 160 1 1, 128 64 80 1 1
    YOLOv8n at 640, blocks: 256 128 40 1 1, 384 256 20 1 1, 512 256 20 1 1, 384 128 40 1 1, 192 64 80 1 1
    YOLOv8n at 640, head: 64 64 80 3 1, 64 80 80 3 1, 80 80 80 3 1, 80 80 80 1 1, 128 80 40 3 1, 256 64 20 3 1
    YOLOv8n at 320: 3 16 320 3 2, 16 32 160 3 2, 32 32 40 3 1, 64 64 20 3 1, 128 128 10 3 1, 128 256 20 3 2
    YOLOv8n at 320: 512 256 10 1 1, 80 80 40 3 1, 64 64 10 1 1, 256 80 10 3 1
    YOLOv8s at 640: 3 32 640 3 2, 32 64 320 3 2, 64 128 160 3 2, 128 256 80 3 2, 256 512 40 3 2, 64 64 80 3 1
    YOLOv8s at 640: 256 256 20 3 1, 512 512 20 1 1, 1024 512 20 1 1, 768 256 40 1 1, 128 128 80 3 1, 512 64 20 3 1
    YOLOv8s at 320: 32 64 160 3 2, 128 128 20 3 1, 256 512 20 3 2, 768 512 10 1 1
    YOLO11n at 640: 16 8 160 3 1, 8 16 160 3 1, 64 64 160 1 1, 96 128 80 1 1, 192 128 40 1 1, 64 80 80 1 1
    YOLO11s at 640: 32 16 160 3 1, 16 32 160 3 1, 128 256 40 1 1, 320 256 20 1 1
    ResNet-50 at 224: 3 64 224 7 2, 64 64 56 1 1, 64 64 56 3 1, 64 256 56 1 1, 256 64 56 1 1, 256 128 56 1 1
    ResNet-50 at 224: 128 128 56 3 2, 256 512 56 1 2, 128 512 28 1 1, 512 128 28 1 1, 128 128 28 3 1, 512 256 28 1 1
    ResNet-50 at 224: 256 256 28 3 2, 512 1024 28 1 2, 256 1024 14 1 1, 1024 256 14 1 1, 256 256 14 3 1, 1024 512 14 1 1
    ResNet-50 at 224: 512 512 14 3 2, 1024 2048 14 1 2, 512 2048 7 1 1, 2048 512 7 1 1, 512 512 7 3 1
    Stable Diffusion 1.5 UNet, in and out: 4 320 64 3 1, 320 4 64 3 1, 9 320 64 3 1
    Stable Diffusion 1.5 UNet, 64: 320 320 64 3 1, 320 320 64 3 2, 640 320 64 3 1, 960 320 64 3 1, 320 320 64 1 1
    Stable Diffusion 1.5 UNet, 64: 960 320 64 1 1, 640 640 64 3 1
    Stable Diffusion 1.5 UNet, 32: 320 640 32 3 1, 640 640 32 3 1, 640 640 32 3 2, 320 640 32 1 1, 1280 640 32 3 1
    Stable Diffusion 1.5 UNet, 32: 1920 640 32 3 1, 960 640 32 1 1, 640 640 32 1 1
    Stable Diffusion 1.5 UNet, 16: 640 1280 16 3 1, 1280 1280 16 3 1, 1280 1280 16 3 2, 2560 1280 16 3 1
    Stable Diffusion 1.5 UNet, 8: 1280 1280 8 3 1, 2560 1280 8 3 1, 2560 1280 8 1 1
    ViT-B/16 and ConvNeXt-T, patches: 3 768 224 16 16, 3 96 224 4 4
    ConvNeXt-T, down: 96 192 56 2 2, 192 384 28 2 2, 384 768 14 2 2
    MobileNetV2 at 224: 3 32 224 3 2, 16 96 112 1 1, 24 144 56 1 1, 144 24 56 1 1, 192 32 28 1 1, 960 320 7 1 1
    """,
    Convolution,
)

DEPTHWISE = _table(
    """
    MobileNetV2 at 224: 32 32 112 3 1, 96 96 112 3 2, 144 144 56 3 1, 384 384 14 3 1, 960 960 7 3 1
    YOLO11n at 640, head: 80 80 80 3 1, 64 64 80 3 1, 128 128 20 3 1
    ConvNeXt-T: 96 96 56 7 1, 192 192 28 7 1, 768 768 7 7 1
    """,
    Convolution,
)

LINEARS = _table(
    """
    ViT-B/16: 197 768 2304, 197 768 768, 197 768 3072, 197 3072 768, 1 768 1000
    BERT base: 128 768 768, 128 768 3072, 512 3072 768, 512 768 768, 128 768 30522, 1 768 2
    GPT-2: 1024 768 2304, 1024 768 768, 1024 768 3072, 1024 3072 768, 128 768 50257
    LLaMA 7B: 512 4096 4096, 512 4096 11008, 512 11008 4096, 64 4096 32000
    LLaMA 7B, decoding: 1 4096 4096, 1 4096 11008, 1 11008 4096, 1 4096 32000, 2 4096 4096, 8 4096 11008
    GPT-2, decoding: 1 768 2304, 2 768 3072, 8 3072 768, 1 768 50257, 4 768 768
    Stable Diffusion 1.5 UNet: 4096 320 320, 4096 320 2560, 4096 1280 320, 1024 640 640, 1024 640 5120, 1024 2560 640
    Stable Diffusion 1.5 UNet: 256 1280 1280, 256 1280 10240, 256 5120 1280, 77 768 320, 77 768 1280, 1 320 1280
    ResNet-50 and MobileNetV2 classifiers: 1 2048 1000, 1 1280 1000
    GPT-2 and BERT vocabularies, few inputs: 8 64 50257, 2 32 30522
    LLaMA 7B, slices: 4096 64 64, 8 4096 128, 1 128 11008, 2 11008 32
    Swin-T and ConvNeXt-T: 3136 96 384, 784 192 768, 49 768 3072
    """,
    Linear,
)


def covering(rows, classes, cost, budget):
    """Some of `rows`, so that every pair of classes occurs in one of them as far as `budget` goes.

    `classes(row)` are its classes (any hashable values, always in the same order); `cost(row)` in the unit of `budget`,
    which bounds the sum. Greedy: the row with the most new pairs for its cost is taken next.
    """
    queue, costs = [], []
    sets = []  # type: list[set[object]]
    for row in rows:
        price = cost(row)
        if price <= budget:
            queue.append((-1e9, len(sets), row))
            sets.append(_pairs(classes(row)))
            costs.append(price + 1e-9)
    seen = set()  # type: set[object]
    taken, spent = [], 0.0
    while queue:
        # What a row adds only ever gets less, so that the first whose count is fresh and still the best is the best.
        _, number, row = heapq.heappop(queue)
        new = len(sets[number] - seen)
        if not new or spent + costs[number] > budget:
            continue
        fresh = (-new / costs[number], number, row)
        if queue and fresh > queue[0]:
            heapq.heappush(queue, fresh)
            continue
        seen |= sets[number]
        spent += costs[number]
        taken.append(row)
    return taken


def _pairs(values):
    numbered = list(enumerate(values))
    return {(a, b) for n, a in enumerate(numbered) for b in numbered[n + 1 :]}
