"""One rank, from its start to its end."""

import argparse
import ctypes
import json
import os
import platform
import re
import sys
import threading
import time
import zlib

from . import exact, judge, operations, place, plan
from .board import GRACE, Board
from .operations import KINDS
from .watch import STUCK, Watch

FOUND, USAGE, NO_TORCH, REFUSED = 1, 64, 65, 66
SCHEMA = 1
SAMPLES = 8  # wrong elements that a rank tells of


class Refusal(Exception):
    """Nothing can be checked here; the text says why."""


def main(argv, make_comm=operations.Comm):
    """Run this rank; the exit code of the process. `make_comm(torch)` gives the backend under test."""
    options = _options().parse_args(argv)
    teller = Teller(options.out)
    try:
        import torch
    except ImportError as error:
        teller.tell("refused", error="torch cannot be imported: %s" % said(error))
        return NO_TORCH
    try:
        here = place.find(options.rank, options.world, options.local_rank, options.rendezvous, os.environ)
        teller.rank = here.rank
        return Rank(torch, here, options, teller).run(make_comm(torch))
    except place.Lost as error:
        teller.tell("refused", error=str(error))
        return USAGE
    except Refusal as refusal:
        teller.tell("refused", error=str(refusal))
        return REFUSED


def _options():
    parser = argparse.ArgumentParser(prog="collectives", description="Check this backend's collectives exactly.")
    parser.add_argument("--backend", choices=["nccl", "gloo"], help="default: nccl where torch sees CUDA devices")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="where the tensors lie; default: as the backend")
    parser.add_argument("--rank", type=int, help="default: what the launcher says")
    parser.add_argument("--world", type=int)
    parser.add_argument("--local-rank", type=int, help="which of this host's devices")
    parser.add_argument("--rendezvous", help="file:///path that all ranks see, or tcp://HOST:PORT of rank 0")
    parser.add_argument("--out", help="file of JSON lines; default: standard output")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a collective may take")
    parser.add_argument("--sizes", type=_sizes, default=plan.SIZES, help="elements, as 1,1021,65537")
    parser.add_argument("--megabytes", type=int, help="the largest vector; default 256 on cuda, 16 on cpu; 0: none")
    parser.add_argument("--dtypes", type=_dtypes, default=tuple(exact.DIGITS), help="as float16,bfloat16")
    parser.add_argument("--check", action="store_true", help="exit 1 if anything is wrong")
    return parser


def _sizes(text):
    found = tuple(int(word) for word in text.split(","))
    if min(found) < 1 or max(found) >= 10**9:
        raise argparse.ArgumentTypeError("a vector has at least one element, and fewer than 10^9")
    return found


def _dtypes(text):
    found = tuple(text.split(","))
    if set(found) - set(exact.DIGITS):
        raise argparse.ArgumentTypeError("choose among %s" % ", ".join(exact.DIGITS))
    return found


class Teller:
    """Writes JSON lines, each whole and at once; from two threads. Rank 0 speaks; the others only where they must."""

    def __init__(self, path):
        self.path, self.rank, self._lock = path, 0, threading.Lock()
        self._handle = None

    def tell(self, event, **fields):
        line = json.dumps(dict(fields, event=event), sort_keys=True) + "\n"
        with self._lock:
            if self._handle is None:
                self._handle = self._opened()
            self._handle.write(line)
            self._handle.flush()

    def _opened(self):
        if self.path is None:
            return sys.stdout
        path = self.path if self.rank == 0 else "%s.%d" % (self.path, self.rank)
        return open(path, "w", encoding="ascii", newline="\n")

    def private(self, document):
        """What stays with the fleet: beside the file, and nowhere where there is none."""
        if self.path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(self.path + ".private.json", flags, 0o600), "w", encoding="ascii") as out:
                json.dump(document, out, indent=1)


class Rank:
    """This rank and what it needs to take part."""

    def __init__(self, torch, here, options, teller):
        self.torch, self.dist, self.here, self.options, self.teller = torch, torch.distributed, here, options, teller
        if not self.dist.is_available():
            raise Refusal("this torch was built without torch.distributed")
        self.backend = options.backend or ("nccl" if torch.cuda.is_available() else "gloo")
        self.device = self._device(options.device or ("cuda" if self.backend == "nccl" else "cpu"))
        self.cases, self.started, self.counts = {}, time.monotonic(), {}

    def _device(self, kind):
        if kind == "cpu" and self.backend == "nccl":
            raise Refusal("nccl moves tensors of CUDA devices only: leave out --device, or use gloo")
        if kind == "cpu":
            return self.torch.device("cpu")
        count = self.torch.cuda.device_count()
        if not count:
            raise Refusal("torch sees no CUDA device here: use --backend gloo to check the processors' side")
        # Under srun --gpus-per-task=1 each rank sees one device, and that is its own.
        index = self.here.local_rank if count > 1 else 0
        if index >= count:
            raise Refusal("rank %d is the host's number %d, which has %d devices"
                          % (self.here.rank, self.here.local_rank, count))  # fmt: skip
        self.torch.cuda.set_device(index)
        return self.torch.device("cuda", index)

    # --- the run ------------------------------------------------------------------------------------------------------

    def run(self, comm):
        here, limit = self.here, self.options.timeout
        try:
            main_store, side_store = place.stores(self.dist, here, limit)
        except Exception as error:
            raise Refusal("rank %d does not reach the meeting place, which rank 0 or its launcher serves: %s"
                          % (here.rank, said(error)))  # fmt: skip
        self.board, self.side = Board(main_store), Board(side_store)
        # The others wait for rank 0, which may be waiting for one of them: they have twice its time.
        self.watch = Watch(limit if here.rank == 0 else 2 * limit + 2 * GRACE, self.last_words, self.is_over)
        self.watch.start()
        self.form_group(main_store)
        self.cases = {case.number: case for case in self.agreed_cases()}
        if here.rank == 0:
            self.introduce()
        try:
            return self.check_all(comm)
        except RuntimeError as error:  # of the store: what the backend says is caught where it is called
            self.teller.tell("lost", number=-1, detail="the meeting place is gone: %s" % said(error))
            return STUCK
        finally:
            self.watch.rest()

    def is_over(self):
        """For the watch: rank 0 has told what happened. Rank 0 itself is never told."""
        if self.here.rank == 0 or not self.side.seen("over"):
            return False
        self.side.leave(self.here.rank)
        return True

    def form_group(self, store):
        from datetime import timedelta

        if self.board.seen("hello/%d" % self.here.rank):  # its answers would be taken for those of this run
            raise Refusal("there is a rank %d at this meeting place already: another process, or an earlier run of "
                          "which the file was left; name a new file" % self.here.rank)  # fmt: skip
        self.board.put("hello/%d" % self.here.rank, self.hello())
        self.watch.guard(-1)
        self.board.begin(-1, self.here.rank)
        options = {"rank": self.here.rank, "world_size": self.here.world}
        # Longer than the watch's: an end by the backend's own clock names nobody.
        late = timedelta(seconds=4 * self.options.timeout + 60)
        try:
            if self.backend == "nccl" and not self.dist.is_nccl_available():
                raise Refusal("this torch has no NCCL: use --backend gloo")
            self.dist.init_process_group(
                self.backend, store=self.dist.PrefixStore("group", store), timeout=late, **options
            )
        except (RuntimeError, ValueError) as error:
            raise Refusal("rank %d cannot join the group: %s" % (self.here.rank, said(error)))
        self.watch.rest()

    def hello(self):
        card, bus = "cpu", None
        if self.device.type == "cuda":
            facts = self.torch.cuda.get_device_properties(self.device)
            card = facts.name
            if hasattr(facts, "pci_bus_id"):  # torch 2.5
                bus = "%04x:%02x:%02x.0" % (facts.pci_domain_id, facts.pci_bus_id, facts.pci_device_id)
        return {
            "rank": self.here.rank, "host": platform.node(), "pci_bus_id": bus, "card": card,
            "torch": str(self.torch.__version__), "python": platform.python_version(),
            "backend": self.backend, "free": self.free_bytes(),
        }  # fmt: skip

    def free_bytes(self):
        return self.torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else None

    def agreed_cases(self):
        """Rank 0 decides the sizes; all take the same list."""
        if self.here.rank == 0:
            self.board.put("plan", self.decided())
        self.watch.guard(-1)
        agreed = self.board.wait("plan", 2 * self.options.timeout)
        self.watch.rest()
        if agreed is None:
            raise Refusal("rank 0 named no plan in time")
        return plan.cases(self.here.world, agreed["sizes"], agreed["megabytes"], agreed["dtypes"])

    def decided(self):
        megabytes = self.options.megabytes
        if megabytes is None:
            megabytes = 256 if self.device.type == "cuda" else 16
        free = self.free_bytes()
        if free is not None:  # result, input, two patterns and their comparison
            megabytes = min(megabytes, free // 2**20 // 8)
        return {"sizes": list(self.options.sizes), "megabytes": megabytes, "dtypes": list(self.options.dtypes)}

    def introduce(self):
        ranks = [self.board.wait("hello/%d" % rank, self.options.timeout) for rank in range(self.here.world)]
        known = [one for one in ranks if one]
        self.teller.private({"schema": SCHEMA, "ranks": known})
        versions = sorted({one["torch"] for one in known})
        self.teller.tell(
            "start", schema=SCHEMA, backend=self.backend, device=self.device.type, world=self.here.world,
            cases=len(self.cases), torch=versions[0], cards=sorted({one["card"] for one in known}),
            library=self.library(),
        )  # fmt: skip
        if len(versions) > 1:
            self.board.put("over", True)
            self.board.wait_for_leaving(range(1, self.here.world), GRACE)
            raise Refusal("the ranks have different torch: %s" % ", ".join(versions))

    def library(self):
        """ "2.27.5" of NCCL; gloo tells no version."""
        try:
            found = self.torch.cuda.nccl.version() if self.backend == "nccl" else ""
        except Exception:
            return ""
        return ".".join(map(str, found)) if isinstance(found, tuple) else str(found)

    def check_all(self, comm):
        for case in self.cases.values():
            begun = time.monotonic()
            finding = self.check(comm, case)
            self.board.answer(case.number, self.here.rank, finding)
            if self.here.rank == 0:
                line = self.collect(self.board, case, self.options.timeout, time.monotonic() - begun)
                if line["status"] in ("hang", "crash", "oom", "error"):
                    return self.give_up(self.board, case, line)
            elif finding["status"] in ("error", "oom"):
                self.board.wait("over", 2 * self.options.timeout)  # rank 0 tells; then nothing is left to do
                self.board.leave(self.here.rank)
                return STUCK
        if self.here.rank == 0:
            ended = self.tell_end()
            self.board.put("end", ended)
            self.board.wait_for_leaving(range(1, self.here.world), GRACE)
        else:
            ended = self.board.wait("end", 2 * self.options.timeout)
            self.board.leave(self.here.rank)
        return FOUND if self.options.check and ended not in ("pass", "unsupported") else 0

    def check(self, comm, case):
        """This rank's finding; see judge.py."""
        found = {"rank": self.here.rank, "status": "pass", "wrong": 0, "samples": [], "checksum": "", "changed": False,
                 "detail": ""}  # fmt: skip
        self.watch.guard(case.number)
        try:
            values = operations.Values(self.torch, case, self.here.world)
            given = KINDS[case.collective].given(values, self.here.rank)
            held = operations.buffers(self.torch, case, given, self.device, self.here.rank, self.here.world)
            self.board.begin(case.number, self.here.rank)
            result = KINDS[case.collective].call(comm, case, held).cpu()
            self.watch.rest()
            found.update(compared(self.torch, result, KINDS[case.collective].answer(values, self.here.rank)))
            if case.collective in ("all_gather", "all_to_all") and not case.in_place:
                found["changed"] = not same_bits(self.torch, held.given.cpu(), given)
        except Exception as error:
            found.update(status=_kind_of(error), detail=said(error))
        finally:
            self.watch.rest()
        if found["changed"]:
            found.update(status="fail", detail="the input, which is only read, was changed")
        return found

    # --- rank 0's part ------------------------------------------------------------------------------------------------

    def collect(self, board, case, seconds, taken):
        """Wait for every rank's finding, and tell what they come to."""
        findings = board.findings(case.number, self.here.world, seconds)
        values = operations.Values(self.torch, case, self.here.world)
        truth = checksum(self.torch, KINDS[case.collective].answer(values, 0)) if KINDS[case.collective].alike else None
        line = judge.case_line(case, self.here.world, findings, truth, self.share_of(case), taken)
        self.counts[line["status"]] = self.counts.get(line["status"], 0) + 1
        self.teller.tell("case", **line)
        return line

    def share_of(self, case):
        patterns = {}

        def look(rank, element):
            if rank not in patterns:
                digits = exact.DIGITS[case.dtype]
                patterns[rank] = exact.shares(self.torch, rank, self.here.world, digits).tolist()
            return patterns[rank][element % exact.PERIOD]

        return look

    def give_up(self, board, case, line):
        """After a hang or a loss the group cannot be used again."""
        left = len(self.cases) - case.number - 1
        self.tell_end(skipped=left)
        board.put("over", True)
        if self.here.rank == 0:
            reached = set(range(1, self.here.world)) - set(line["missing"]) - set(line["stuck"])
            board.wait_for_leaving(reached, GRACE)
        return STUCK

    def tell_end(self, **more):
        if more.get("skipped"):
            self.counts["skipped"] = more["skipped"]
        status = judge.worst(set(self.counts) - {"skipped"})
        self.teller.tell(
            "end", status=status, counts=self.counts, seconds=round(time.monotonic() - self.started, 3)
        )  # fmt: skip
        return status

    def last_words(self, number):
        """Called by the watch, in its thread, when case `number` does not come back."""
        case = self.cases.get(number)
        if case is None:
            absent = [rank for rank in range(self.here.world) if not self.side.begun(-1, rank)]
            text = "rank %s never came to the meeting place" % judge._listed(absent) if absent else (
                "all ranks came, and the group was not formed"
            )  # fmt: skip
            self.teller.tell("refused", error="%s within %g s" % (text, self.options.timeout), missing=absent)
            self.side.put("over", True)
            if self.here.rank == 0:
                self.side.wait_for_leaving(set(range(1, self.here.world)) - set(absent), GRACE)
            return
        try:
            line = self.collect(self.side, case, GRACE, self.options.timeout)
            self.give_up(self.side, case, line)
        except Exception as error:
            detail = "%s did not come back, and whoever serves the meeting place (rank 0 or its launcher) is gone: %s"
            self.teller.tell("lost", number=number, detail=detail % (case.said(), said(error)))


# --- comparing --------------------------------------------------------------------------------------------------------


def same_bits(torch, one, other):
    """True where both hold the same bit patterns; NaN equals itself, -0 is not 0."""
    return bool(torch.equal(_bits(torch, one), _bits(torch, other)))


def _bits(torch, tensor):
    return tensor.contiguous().view(torch.int16 if tensor.element_size() == 2 else torch.int32)


def compared(torch, result, answer):
    """The part of a finding that a result gives, against the exact answer, bit for bit; both on the host."""
    found = {"checksum": checksum(torch, result)}
    if same_bits(torch, result, answer):
        return found
    wrong = (_bits(torch, result) != _bits(torch, answer)).nonzero().flatten()
    first = wrong[:SAMPLES].tolist()
    samples = [[n, _plain(result[n].item()), _plain(answer[n].item())] for n in first]
    return dict(found, status="fail", wrong=len(wrong), samples=samples)


def checksum(torch, tensor):
    """CRC-32 of the elements' bytes, 8 hex digits."""
    held = _bits(torch, tensor)  # held by name: the memory below is its
    size = held.numel() * held.element_size()
    return "%08x" % zlib.crc32((ctypes.c_char * size).from_address(held.data_ptr()))


def _plain(value):
    """A number as JSON has it; what is not finite as a word, and so is -0, which would pass for 0."""
    return value if value - value == 0 and str(value) != "-0.0" else str(value)


def _kind_of(error):
    text = str(error)
    if "out of memory" in text.lower() or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    return "unsupported" if operations.lacking(error) else "error"


_PRIVATE = (
    (re.compile(r"\[?(?:\d{1,3}\.){3}\d{1,3}\]?(?::\d+)?"), "<address>"),
    (re.compile(r"\[[0-9a-fA-F:]*:[0-9a-fA-F:]+\](?::\d+)?"), "<address>"),
    (re.compile(r"(?<![\w<])(?:[A-Za-z]:)?(?:[\\/][\w.+ -]+)+[\\/]"), ""),
)


def said(error):
    """The first line of an error, without addresses, folders and the name of this host."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    for pattern, word in _PRIVATE:
        text = pattern.sub(word, text)
    for name in {platform.node(), platform.node().partition(".")[0]}:
        text = text.replace(name, "<host>") if len(name) > 1 else text
    return ("%s: %s" % (type(error).__name__, text))[:300]
