"""What can be wrong with a label, an annotation or an image, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .clue import NOTE, PROVED, SUSPECTED


class Fault(NamedTuple):
    """One fault at one place. `rule` is a key of RULES; `line` counts from 1, None: the whole file."""

    rule: str
    file: str
    line: int | None = None
    key: str = ""
    value: str = ""


class Rule(NamedTuple):
    what: str
    why: str
    change: str
    certainty: str
    weight: int
    cause: str = "bad-labels"
    source: str = ""


VERIFY = "https://github.com/ultralytics/ultralytics/blob/v8.4.190/ultralytics/data/utils.py"
FORMAT = "https://docs.ultralytics.com/datasets/detect/"
COCO = "https://cocodataset.org/#format-data"
VOC = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf"
TIPS = "https://docs.ultralytics.com/yolov5/tutorials/tips_for_best_training_results/"
PILLOW = "https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes"
DROPS = "Ultralytics drops the whole image for one such row; a loader of your own hands it on to the loss"

RULES: Mapping[str, Rule] = {
    "label.nonfinite": Rule(
        "labels that are NaN or infinite", f"a NaN in a target is a NaN in the loss. {DROPS}", "correct these rows",
        PROVED, 90, source=VERIFY,
    ),
    "label.class-range": Rule(
        "classes that the data set does not have", "an index beyond the classes stops a CUDA kernel with a device-side "
        f"assert, or reads past the end. {DROPS}", "correct the rows, or names and nc", PROVED, 85, source=VERIFY,
    ),
    "label.class-not-integer": Rule(
        "classes that are no whole number", DROPS, "write the class as a whole number", PROVED, 60, source=VERIFY,
    ),
    "label.pixels": Rule(
        "coordinates in pixels where they must be relative", f"they have to be between 0 and 1, divided by the size of "
        f"the image. {DROPS}, with box losses in the thousands", "divide x and w by the width, y and h by the height",
        PROVED, 80, source=FORMAT,
    ),
    "label.relative": Rule(
        "coordinates between 0 and 1 where pixels belong", "COCO and VOC count pixels: all boxes are one point",
        "multiply by the size of the image", SUSPECTED, 78, source=COCO,
    ),
    "label.columns": Rule(
        "rows with a wrong number of columns", f"a box is class x y w h; six columns are predictions saved with their "
        f"confidence. {DROPS}", "write five columns (or polygons in every row)", PROVED, 62, source=VERIFY,
    ),
    "label.mixed": Rule(
        "files that mix boxes and polygons", f"one kind is expected in a file. {DROPS}", "use one kind", PROVED, 45,
        source=VERIFY,
    ),
    "label.not-a-number": Rule(
        "cells that are no number", DROPS, "correct these rows", PROVED, 62, source=VERIFY,
    ),
    "label.range": Rule(
        "coordinates below 0 or above 1", f"below -0.01 and above 1.01 a row is refused. {DROPS}",
        "clip the boxes to the image", PROVED, 40, source=VERIFY,
    ),
    "label.zero-area": Rule(
        "boxes without area", "IoU losses bear them; a loss that takes log(w) or divides by the area gives NaN or "
        "infinity", "remove these rows", PROVED, 38, source=VERIFY,
    ),
    "label.outside": Rule(
        "boxes that leave the image", "the loss bears them; what lies outside cannot be seen, so that the target is "
        "wrong", "clip the boxes to the image", PROVED, 18, source=VERIFY,
    ),
    "label.tiny": Rule(
        "boxes smaller than a pixel", "no network finds them, and float16 has no relative precision left for w * h",
        "look at them, remove what is a slip of the mouse", NOTE, 8, source=TIPS,
    ),
    "label.duplicate": Rule(
        "rows that stand twice in a file", "the client removes them, or the object counts double", "remove one",
        NOTE, 5, source=VERIFY,
    ),
    "label.unreadable": Rule(
        "label files that cannot be read", "the image counts as corrupt, or as background", "save them as UTF-8 text",
        PROVED, 50, source=VERIFY,
    ),
    "label.image-unknown": Rule(
        "annotations of images that are not listed", "loaders skip them, or stop", "list the image or remove them",
        PROVED, 45, source=COCO,
    ),
    "label.size-differs": Rule(
        "images of another size than the annotations say", "every box is scaled wrongly", "correct width and height",
        PROVED, 48, source=COCO,
    ),
    "label.id-twice": Rule(
        "ids that occur twice", "the later one replaces the earlier", "number them again", PROVED, 30, source=COCO,
    ),
    "label.hostile": Rule(
        "files that define entities or nest without end", "it can fill the memory; no labelling program writes it",
        "do not use these files", PROVED, 60, source=VOC,
    ),
    "pair.no-image": Rule(
        "labels without an image", "they are never read: a moved or renamed image, or a folder that does not mirror "
        "labels/", "bring names and folders together", SUSPECTED, 25, source=FORMAT,
    ),
    "image.unreadable": Rule(
        "images that cannot be read", "the client drops them, or a loader stops or gives black", "replace them", PROVED,
        45, "bad-data", VERIFY,
    ),
    "image.truncated": Rule(
        "images that end too early", "the missing part is grey, or the image is dropped", "copy them again", PROVED, 35,
        "bad-data", VERIFY,
    ),
    "image.nonfinite": Rule(
        "images with NaN or infinite pixels", "one such pixel makes the activations NaN", "replace these images",
        PROVED, 92, "bad-data", PILLOW,
    ),
    "image.constant": Rule(
        "images of one single colour", "normalising an image by its own standard deviation divides by 0; otherwise it "
        "only teaches nothing", "remove them, or add an epsilon", SUSPECTED, 24, "bad-data", PILLOW,
    ),
    "image.sixteen-bit": Rule(
        "images with more than 8 bits a channel", "OpenCV's colour reader brings them down to 8 bits; a loader that "
        "keeps them and divides by 255 gives values up to 257, too large for float16 sums", "divide by 65535",
        SUSPECTED, 36, "input-scale", "https://docs.opencv.org/4.x/d4/da8/group__imgcodecs.html",
    ),
    "image.large-values": Rule(
        "images of floats far from 1", "clients divide by 255 or not at all", "scale them to 0 to 1", SUSPECTED, 42,
        "input-scale", PILLOW,
    ),
    "image.small": Rule(
        "images smaller than 10 pixels", "Ultralytics drops them", "remove them", PROVED, 15, "bad-data", VERIFY,
    ),
    "image.huge": Rule(
        "images of more than 100 million pixels", "not decoded here; a few of them fill the memory of a loader",
        "cut them into tiles", NOTE, 9, "bad-data", "https://pillow.readthedocs.io/en/stable/reference/Image.html",
    ),
    "image.crashes": Rule(
        "images whose decoding ends the process", "the reader crashed on them", "replace them", PROVED, 50, "bad-data",
        PILLOW,
    ),
}  # fmt: skip
