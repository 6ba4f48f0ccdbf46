"""Waits, in a program, until torch or a client is imported; then the watch is put up. Standard library only.

Files written to the folder that `hwcompat diagnose` names, all JSON: <pid>.start when torch was imported,
<pid>-<n>.finding for each finding, <pid>.end when the program ends.
"""

import atexit
import functools
import importlib
import importlib.util
import json
import os
import sys
from typing import Any, Dict

CLIENTS = {
    "ultralytics.engine.trainer": ("BaseTrainer", "ultralytics"),
    "transformers.trainer": ("Trainer", "transformers"),
    "lightning.pytorch.trainer.trainer": ("Trainer", "lightning"),
    "pytorch_lightning.trainer.trainer": ("Trainer", "lightning"),
}


class Finder:
    """A finder that finds nothing itself: it has others find the modules we wait for, and is told when they ran."""

    def __init__(self, wanted):
        self.wanted = wanted

    def find_spec(self, name, path=None, target=None):
        ran = self.wanted.pop(name, None)
        if ran is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if finder is not self and find is not None else None
            if spec is not None:
                _after(spec.loader, ran)
                return spec
        return None


def _after(loader, ran):
    """Calls ran(module) once, when the loader has executed the module."""
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module):
        execute(module)
        try:
            ran(module)
        except Exception as error:
            sys.stderr.write("hwcompat: not watched: %s: %s\n" % (type(error).__name__, error))

    try:
        loader.exec_module = exec_module
    except AttributeError:
        return


class Files:
    """Writes the files of this process."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def write(self, name, value):
        path = os.path.join(self.folder, "%d%s" % (os.getpid(), name))
        try:
            with open(path + ".part", "w", encoding="utf-8") as out:
                json.dump(value, out)
            os.replace(path + ".part", path)
        except OSError:  # the folder went away with the command that made it
            return

    def keep_capture(self, watch):
        """The capture of the finding just made, without and with its inputs; hwcompat asks which one to keep."""
        for name, inputs in (("capture", False), ("inputs", True)):
            try:
                watch.save_capture(os.path.join(self.folder, "%d-%d.%s" % (os.getpid(), self.count, name)), inputs)
            except (ValueError, OSError, RuntimeError):  # no finding that goes back to one operator
                return

    def __call__(self, finding):
        self.count += 1
        told = {name: getattr(finding, name) for name in finding.__dataclass_fields__}
        rank = os.environ.get("RANK", "")
        self.write("-%d.finding" % self.count, {**told, "text": str(finding), "rank": rank})


class Training:
    """The watch of this process: the tape of a plain loop, or a client's adapter."""

    def __init__(self, folder):
        self.files, self.client, self.why = Files(folder), "", ""
        self.program: Any = None

    def torch(self, module):
        version = str(module.__version__)
        self.files.write(".start", {"torch": version, "argv": sys.argv[:1]})
        atexit.register(self.end)
        if int(version.split(".")[0]) < 2:
            self.why = "torch %s: plain loops are watched from torch 2.0 on" % version
            return
        island()
        recorder = importlib.import_module("_hwcompat_replay.launch.recorder")
        self.program = recorder.watch(self.files)
        self._excepthook()

    def _excepthook(self):
        told = sys.excepthook

        def excepthook(kind, error, trace):
            told(kind, error, trace)
            if self.program is not None and isinstance(error, Exception):
                self.program.end(error)

        sys.excepthook = excepthook

    def imported(self, client, name, module):
        self.attach(client, getattr(module, name))

    def attach(self, client, trainers):
        """Has every trainer of a client watched by the client's adapter, in place of the tape."""
        made = trainers.__init__

        @functools.wraps(made)  # whoever asks for the signature is given the client's own
        def init(trainer, *args, **kwargs):
            made(trainer, *args, **kwargs)
            try:
                self._adapt(client, trainer)
            except Exception as error:
                sys.stderr.write("hwcompat: %s is not watched: %s: %s\n" % (client, type(error).__name__, error))

        trainers.__init__ = init

    def _adapt(self, client, trainer):
        island()
        adapter = importlib.import_module("_hwcompat_replay.adapters").adapter
        if self.program is not None:
            self.program.stop("watched by the adapter for %s" % client)
        self.client, module = client, adapter(client)
        if client == "ultralytics":
            module.watch(trainer, "continue", self.files)
        elif client == "transformers":
            trainer.add_callback(module.watch("continue", self.files))
        else:
            package = type(trainer).__module__.split(".trainer.")[0]
            trainer.callbacks.append(module.watch("continue", self.files, package))

    def end(self):
        program = self.program
        if program is not None:
            program.end()
        self.files.write(
            ".end",
            {
                "steps": program.steps if program is not None else None,
                "off": program.off if program is not None else "",
                "client": self.client,
                "unplayed": program.unplayed if program is not None else self.why,
                "findings": self.files.count,
            },
        )


def island():
    """The package of the island, under its private name."""
    if "_hwcompat_replay" in sys.modules:
        return
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location("_hwcompat_replay_loader", os.path.join(here, "__main__.py"))
    assert spec is not None
    assert spec.loader is not None  # a file location always has one
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    loader.load()


def install(folder):
    """Begins to wait."""
    training = Training(folder)
    wanted: Dict[str, Any] = {"torch": training.torch}
    for module, (name, client) in CLIENTS.items():
        wanted[module] = functools.partial(training.imported, client, name)
    sys.meta_path.insert(0, Finder(wanted))
