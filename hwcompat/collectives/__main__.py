"""One rank of the collectives check. Start as many as there are GPUs, with whatever starts ranks where you are:

    torchrun --nproc-per-node 8 .../hwcompat/collectives/__main__.py --out collectives.jsonl
    srun --ntasks-per-node 8 --gpus-per-task 1 python .../hwcompat/collectives/__main__.py --out collectives.jsonl
    python -m hwcompat.collectives --rank 0 --world 2 --rendezvous file:///folder/file     (one machine)

Rank, number of ranks and meeting place come from the options, else from torchrun's variables (RANK, WORLD_SIZE,
LOCAL_RANK, MASTER_ADDR, MASTER_PORT), Slurm's or Open MPI's; these two need MASTER_ADDR (rank 0's host) set.

Rank 0 writes JSON lines to --out, else to standard output; where rank 0 cannot, rank r leaves its last words in OUT.r:

  {"event": "start", "schema": 1, "backend": "nccl", "world": 8, "cases": 192, "torch": "2.13.0", ...}
  {"event": "case", "number": 0, "collective": "all_reduce.sum", "dtype": "float16", "elements": 1021,
   "in_place": true, "root": null, "status": "pass", "seconds": 0.01, "ranks": [], "suspects": [], "missing": [],
   "stuck": [], "detail": ""}
  {"event": "end", "status": "pass", "counts": {"pass": 192}, "seconds": 12.1}
  {"event": "refused", "error": "..."}     nothing could be checked
  {"event": "lost", "number": 7, "detail": "..."}     only in OUT.r: whoever served the meeting place was gone

status  pass; fail (`ranks` says which rank got which number at which element, `suspects` whom the pattern points at);
        hang (`missing` never came to this collective, `stuck` came and did not return); crash (a rank was gone);
        unsupported (the backend does not offer it in this dtype); oom; error
Lines name ranks, never hosts. OUT.private.json says which host and card each rank was; it stays with the fleet.
collectives.schema.json is the lines' JSON Schema.

Exit codes: 0 every case has its answer; 1 with --check, one of them is not `pass` or `unsupported`; 64 wrong options;
65 torch cannot be imported; 66 nothing could be checked; 70 a rank hung or was lost.
"""

import os
import sys

PACKAGE = "_hwcompat_collectives"
HERE = os.path.dirname(os.path.abspath(__file__))


def load_island():
    """The folder of this file as a package under a private name; gives its `worker` module."""
    import importlib
    import importlib.util

    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
        )
        assert spec is not None
        assert spec.loader is not None  # a file location always has one
        package = importlib.util.module_from_spec(spec)
        sys.modules[PACKAGE] = package
        spec.loader.exec_module(package)
    return importlib.import_module(PACKAGE + ".worker")


if __name__ == "__main__":
    # Started by path, this folder would shadow modules of the same names.
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(HERE)]
    code = load_island().main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: taking down a process group whose peers are gone can hang after everything has been said.
    os._exit(code)
