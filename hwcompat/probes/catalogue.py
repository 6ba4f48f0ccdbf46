"""Lists the probes by reading their files; needs no torch and imports none of them.

A probe is one file in `suite/` (its id is the file name with the first underscore as a dot: `conv_forward.py` is
`conv.forward`). Its attributes are literals at the top of the file:

  GROUP    probes of one group share a worker process
  LEVEL    the lowest level that runs it: quick, standard or full (a reviewed choice, not computed)
  RULE     EXACT, INTERVAL, FEATURE or SPEED
  DTYPES   the dtypes it makes sense for, as torch names them
  CORE     True: its failure makes the capability faulty; False: its failure is a caution about one operation
  FEEDS    the kind of capability its dtypes speak about: dtype (fp16 ...), amp (amp_fp16 ...), memory, or "" for none
  DEVICES  device kinds it runs on (cpu, cuda, mps, xpu); ROCm answers to cuda as in torch
  SECONDS  rough seconds a dtype on two slow CPU cores; the parent scales its deadline from it
  WORKAROUND  what to do where this operation fails, one sentence for the caution; "": the general advice
  ENVIRONMENT  environment variables that must stand before torch is imported, for example of cuBLAS
  VERSION  raised whenever the inputs or the judgement change, since digests are compared per version

Its docstring has a summary sentence, then parts that begin a line with "Hunts:", "Rule:" and perhaps "Source:".
And it defines `cases(ctx)`, which yields (label, function); calling the function gives a judge.Judgement.
"""

import ast
import os
import re
from collections import namedtuple
from typing import Any

Probe = namedtuple(
    "Probe",
    "id path doc group level rule dtypes core feeds devices seconds version workaround environment",
    defaults=("", ()),
)

Description = namedtuple("Description", "summary hunts rule source links")

LEVELS = ("quick", "standard", "full")
_DEFAULTS = {
    "LEVEL": "standard",
    "RULE": "EXACT",
    "CORE": False,
    "FEEDS": "dtype",
    "DEVICES": ("cpu", "cuda", "mps", "xpu"),
    "SECONDS": 1.0,
    "VERSION": 1,
    "WORKAROUND": "",
    "ENVIRONMENT": {},
}
_HERE = os.path.dirname(os.path.abspath(__file__))


def listing(folder="suite"):
    """Every probe of `folder`, sorted by id."""
    root = os.path.join(_HERE, folder)
    names = sorted(n for n in os.listdir(root) if n.endswith(".py") and not n.startswith("_"))
    return tuple(sorted((_read(os.path.join(root, name)) for name in names), key=lambda probe: probe.id))


def find(probe_id, folder="suite"):
    """The probe called `probe_id`; reads only its own file. KeyError where there is none."""
    path = os.path.join(_HERE, folder, probe_id.replace(".", "_", 1) + ".py")
    if not os.path.isfile(path):
        raise KeyError("no probe %s in %s" % (probe_id, folder))
    return _read(path)


def select(probes, level="standard", only=()):
    """The probes that `level` runs; with `only` (ids, or prefixes such as "conv"), those whatever their level."""
    if only:
        return tuple(p for p in probes if any(p.id == word or p.id.startswith(word + ".") for word in only))
    return tuple(p for p in probes if LEVELS.index(p.level) <= LEVELS.index(level))


def described(probe):
    """The parts of the probe's docstring, each as one line of text; `links` are the addresses in it, each once."""
    parts = re.split(r"^(Hunts|Rule|Source): ", probe.doc, flags=re.M)
    texts = dict(zip(parts[1::2], parts[2::2]), Summary=parts[0])
    words = {name: " ".join(text.split()) for name, text in texts.items()}
    links = [link.rstrip(".,;:)") for link in re.findall(r"https?://[^\s,;]+", probe.doc)]
    return Description(
        words["Summary"],
        words.get("Hunts", ""),
        words.get("Rule", ""),
        words.get("Source", ""),
        tuple(dict.fromkeys(links)),
    )


def simulated_bf16(name):
    """Whether the card that the fault model `name` plays has bf16 units; None: as this machine."""
    if name is None:
        return None
    family = name.partition(".")[0]
    return _literals(_tree(os.path.join(_HERE, "simulate", family + ".py")), {"BF16_NATIVE": None})["BF16_NATIVE"]


def _read(path):
    tree = _tree(path)
    values = _literals(tree, _DEFAULTS)
    stem = os.path.splitext(os.path.basename(path))[0]
    fields = {name.lower(): values[name] for name in ("GROUP", "LEVEL", "RULE", "DTYPES", "CORE", "FEEDS", "DEVICES")}
    return Probe(
        id=stem.replace("_", ".", 1),
        path=path,
        doc=ast.get_docstring(tree) or "",
        seconds=float(values["SECONDS"]),
        version=values["VERSION"],
        workaround=values["WORKAROUND"],
        environment=tuple(sorted(values["ENVIRONMENT"].items())),
        **fields,
    )


def _tree(path):
    with open(path, encoding="utf-8") as handle:
        return ast.parse(handle.read(), path)


def _literals(tree, defaults):
    """`defaults` with what the file's upper-case literals say; a computed constant is the file's own business."""
    values: "dict[str, Any]" = dict(defaults)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                pass
    return values
