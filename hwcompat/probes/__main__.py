"""The worker: runs a job in this interpreter and writes what happens, line by line, into a file.

    <python> .../probes/__main__.py job.json out.jsonl

`job.json` (UTF-8) is one object:

  job           "info" (read torch's facts), "preflight" (one tiny addition on the device), "probes" (preflight, tasks)
  parent        process id of whoever waits for the answer; the worker ends itself when that process is gone
  scratch       folder that the worker removes in that case, or null
  device        "cpu", "cuda:0", "mps", "xpu:0"
  folder        folder of probe files below this one: "suite" or "selftest"
  tasks         [[probe id, dtype], ...], run in this order
  level, seed   handed to every probe
  wait          true: after importing torch, wait until a file called "go" lies beside out.jsonl
  load_seconds  how long a load test lasts in one dtype, or null for its own choice
  simulate      name of a fault model of simulate/ (gtx16xx, convolution.wgrad_nan) under which the tasks run, or null
  memory_limit  bytes this process may add to its own size while the tasks run, or null for what is free now (device
                cpu, POSIX; elsewhere the parent sets the limit)

`out.jsonl` is appended to: one JSON object a line, ASCII, each written at once and with an empty line before it, so
that a half-written line of somebody else spoils nothing but itself. A reader skips lines that are no such object.

  {"event": "start", "pid": 17, "python": "3.8.18"}
  {"event": "info", ...}                                 the keys that facts.read gives
  {"event": "ready", "torch": "2.1.0", "seconds": 1.2}   torch is imported
  {"event": "refused", "error": "..."}                   the job cannot be done here; the exit code says which way
  {"event": "preflight", "ok": true, "error": "", "seconds": 0.1, "slowness": 1.0}
                                                         slowness: how much slower than the machine on which the probes'
                                                         SECONDS were written, never below 1
  {"event": "begin", "index": 0, "probe": "matmul.integer", "dtype": "float16"}
  {"event": "case", "index": 0, "label": "mm 256x512x256"}
  {"event": "progress", "index": 0, "share": 0.25, "seconds_left": 30.0}
                                                         a long probe is alive; share of it done, seconds or null
  {"event": "end", "index": 0, ...}                      what execute.run gives
  {"event": "lost", "index": 0}                          after this probe the device answers nothing
  {"event": "done"}

A probe that began and never ended is the one that killed the process. Standard output and error carry no protocol.

Exit codes: 0 the job is done; 64 wrong arguments or unreadable job; 65 torch cannot be imported; 66 preflight failed;
67 the device is lost; 68 the parent is gone; 69 the fault model cannot run here; 70 this Python is too old.
"""

import os
import sys

PACKAGE = "_hwcompat_island"
HERE = os.path.dirname(os.path.abspath(__file__))


def hide_folders():
    """Neither this folder nor the current one may shadow a module that torch or the standard library imports."""
    unwanted = [os.path.realpath(HERE), os.path.realpath(os.getcwd())]
    sys.path[:] = [entry for entry in sys.path if entry and os.path.realpath(entry) not in unwanted]


def load_island():
    """The folder of this file as a package under a private name; gives its `worker` module."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    assert spec is not None
    assert spec.loader is not None  # a file location always has one
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return importlib.import_module(PACKAGE + ".worker")


def refuse_old_python(argv):
    """Everything else needs Python 3.8; this file itself is readable by any."""
    import json

    text = "Python 3.8 or newer is needed, this is %d.%d" % sys.version_info[:2]
    with open(argv[2], "a") as handle:
        handle.write("\n" + json.dumps({"event": "refused", "error": text}) + "\n")
    return 70


def main(argv):
    if len(argv) != 3:
        sys.stderr.write("usage: python __main__.py job.json out.jsonl\n")
        return 64
    if sys.version_info < (3, 8):
        return refuse_old_python(argv)
    argv = [os.path.abspath(word) for word in argv]
    hide_folders()
    return load_island().main(argv[1], argv[2])


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: taking down an interpreter with a broken device can crash or hang after everything has been said.
    os._exit(code)
