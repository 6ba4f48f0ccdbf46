"""Reads the keys that releases of the clients accept into matrix/client_keys.csv, without running any of them.

    python scripts/client_keys.py [--write] [--matrix matrix] PLACE...

A PLACE is a wheel, a folder a wheel was installed into (`pip install --target`), or a checkout named NAME-VERSION.
What is read: default.yaml of Ultralytics, the hyper-parameter files and arguments of YOLOv5's and timm's train.py, the
fields of Transformers' TrainingArguments and of accelerate's ClusterConfig, the arguments of Lightning's Trainer, the
fields of DeepSpeed's configuration classes and the names in its constants. Releases already in the table stay: a new
release is one more PLACE. `replaced_by` is kept as it stands in the table; it is written by hand.
"""

from __future__ import annotations

import argparse
import ast
import csv
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MATRIX = Path(__file__).resolve().parents[1] / "matrix"
COLUMNS = ("client", "section", "key", "versions", "replaced_by", "source")
BLOB = "https://github.com/{repo}/blob/{tag}/{path}"


class Files(NamedTuple):
    """A release: its files by path, whatever they lie in."""

    name: str
    version: str
    names: tuple[str, ...]
    read: Callable[[str], str]


class Read(NamedTuple):
    section: str
    key: str
    path: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--matrix", type=Path, default=MATRIX)
    parser.add_argument("--write", action="store_true", help="replace the table; otherwise it is printed")
    options = parser.parse_args()
    path = options.matrix / "client_keys.csv"
    rows = _known(path)
    for place in options.places:
        for files in _releases(place):
            _add(rows, files)
    text = _text(rows)
    if options.write:
        path.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)
    return 0


# --- the table --------------------------------------------------------------------------------------------------------

Rows = dict[tuple[str, str, str], dict[str, str]]


def _known(path: Path) -> Rows:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as handle:
        return {(row["client"], row["section"], row["key"]): row for row in csv.DictReader(handle)}


def _add(rows: Rows, files: Files) -> None:
    client, found = next(((name, list(read(files))) for name, read in READERS if _holds(files, name)), ("", []))
    if not found:
        print(f"{files.name} {files.version}: nothing that is known here", file=sys.stderr)
        return
    for section, key, path in found:
        blank = {"client": client, "section": section, "key": key, "versions": "", "replaced_by": "", "source": ""}
        row = rows.setdefault((client, section, key), blank)
        versions = {*row["versions"].split(), files.version}
        row["versions"] = " ".join(sorted(versions, key=_order))
        if row["versions"].split()[-1] == files.version:
            row["source"] = BLOB.format(repo=REPOSITORIES[client], tag=_tag(client, files.version), path=path)
    print(f"{client} {files.version}: {len(found)} keys", file=sys.stderr)


def _tag(client: str, version: str) -> str:
    if client in ("yolov5",) and not re.fullmatch(r"\d\.\d", version):
        return "master"
    return version if client in ("lightning", "pytorch_lightning") and version[0] in "01" else f"v{version}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _text(rows: Rows) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows))
    return out.getvalue()


# --- releases ---------------------------------------------------------------------------------------------------------


def _releases(place: Path) -> Iterator[Files]:
    if place.suffix == ".whl":
        name, version = place.name.split("-")[:2]
        archive = zipfile.ZipFile(place)
        yield Files(name, version, tuple(archive.namelist()), lambda path: archive.read(path).decode("utf-8"))
        return
    infos = [info for info in place.glob("*.dist-info") if info.name.split("-")[0].lower() in REPOSITORIES]
    for info in infos:
        name, version = info.name.removesuffix(".dist-info").rsplit("-", 1)
        yield _folder(place, name, version, name)
    if not infos and (place / "train.py").exists():
        name, version = place.name.rsplit("-", 1)
        yield _folder(place, name, version, "")


def _folder(place: Path, name: str, version: str, under: str) -> Files:
    names = tuple(p.relative_to(place).as_posix() for p in (place / under).rglob("*") if p.suffix in (".py", ".yaml"))
    return Files(name, version, names, lambda path: (place / path).read_text(encoding="utf-8"))


def _holds(files: Files, client: str) -> bool:
    return files.name == client or (client == "lightning" and files.name == "pytorch_lightning")


# --- readers ----------------------------------------------------------------------------------------------------------


def _ultralytics(files: Files) -> Iterator[Read]:
    path = "ultralytics/cfg/default.yaml"
    path = path if path in files.names else "ultralytics/yolo/cfg/default.yaml"
    yield from (Read("", key, path) for key in _yaml_keys(files.read(path)))


def _yolov5(files: Files) -> Iterator[Read]:
    for path in sorted(name for name in files.names if re.fullmatch(r"data/hyps/hyp\.[\w.-]+\.yaml", name)):
        yield from (Read("hyp", key, path) for key in _yaml_keys(files.read(path)))
    yield from (Read("train.py", key, "train.py") for key in _options(files.read("train.py")))


def _timm(files: Files) -> Iterator[Read]:
    if "train.py" in files.names:
        yield from (Read("", key, "train.py") for key in _options(files.read("train.py")))


def _transformers(files: Files) -> Iterator[Read]:
    path = "transformers/training_args.py"
    yield from (Read("", key, f"src/{path}") for key in _fields(files.read(path), "TrainingArguments"))


def _accelerate(files: Files) -> Iterator[Read]:
    path = "accelerate/commands/config/config_args.py"
    text = files.read(path)
    for name in ("BaseConfig", "ClusterConfig"):
        yield from (Read("", key, f"src/{path}") for key in _fields(text, name))


def _lightning(files: Files) -> Iterator[Read]:
    paths = ("lightning/pytorch/trainer/trainer.py", "pytorch_lightning/trainer/trainer.py")
    path = next(path for path in paths if path in files.names)
    stored = path if path.startswith("lightning") or files.version[0] == "1" else f"src/{path}"
    stored = f"src/{path}" if path.startswith("lightning") else stored
    for node in ast.walk(ast.parse(files.read(path))):
        if isinstance(node, ast.ClassDef) and node.name == "Trainer":
            start = next(f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
            names = [argument.arg for argument in (*start.args.args, *start.args.kwonlyargs)]
            yield from (Read("trainer", key, stored) for key in names if key != "self")


def _deepspeed(files: Files) -> Iterator[Read]:
    """At the top every word of its files of constants counts: they hold the keys, and a few values beside them."""
    for path in sorted(name for name in files.names if name.endswith(("/constants.py", "runtime/config.py"))):
        yield from (Read("", key, path) for key in _words(files.read(path)))
    classes = {"fp16": "DeepSpeedFP16Config", "bf16": "DeepSpeedBF16Config", "zero_optimization": "DeepSpeedZeroConfig"}
    for path in ("deepspeed/runtime/precision_config.py", "deepspeed/runtime/zero/config.py"):
        text = files.read(path) if path in files.names else ""
        for section, name in classes.items():
            yield from (Read(section, key, path) for key in _fields(text, name))
        yield from (Read("", key, path) for key in _words(text))


def _yaml_keys(text: str) -> list[str]:
    return re.findall(r"^(?:# )?(\w+):(?= )", text, re.M)


def _options(text: str) -> Iterator[str]:
    """The destination of every `add_argument` with an option."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            words = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            long = [word for word in words if word.startswith("--")] or [word for word in words if word[:1] != "-"]
            named = [k.value.value for k in node.keywords if k.arg == "dest" and isinstance(k.value, ast.Constant)]
            yield from ([*named, *(word.lstrip("-").replace("-", "_") for word in long)])[:1]
            yield from (word.lstrip("-").replace("-", "_") for word in long[1:])


def _fields(text: str, name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield line.target.id
                    yield from _alias(line.value)


def _alias(value: ast.expr | None) -> Iterator[str]:
    for keyword in value.keywords if isinstance(value, ast.Call) else ():
        if keyword.arg == "alias" and isinstance(keyword.value, ast.Constant):
            yield str(keyword.value.value)


def _words(text: str) -> set[str]:
    found = (n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return {word for word in found if re.fullmatch(r"[a-z][a-z0-9_]{1,60}", word)}


READERS: Iterable[tuple[str, Callable[[Files], Iterator[Read]]]] = (
    ("accelerate", _accelerate),
    ("deepspeed", _deepspeed),
    ("lightning", _lightning),
    ("timm", _timm),
    ("transformers", _transformers),
    ("ultralytics", _ultralytics),
    ("yolov5", _yolov5),
)
REPOSITORIES = {
    "accelerate": "huggingface/accelerate",
    "deepspeed": "deepspeedai/DeepSpeed",
    "lightning": "Lightning-AI/pytorch-lightning",
    "pytorch_lightning": "Lightning-AI/pytorch-lightning",
    "timm": "huggingface/pytorch-image-models",
    "transformers": "huggingface/transformers",
    "ultralytics": "ultralytics/ultralytics",
    "yolov5": "ultralytics/yolov5",
}

if __name__ == "__main__":
    sys.exit(main())
