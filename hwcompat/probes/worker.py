"""The worker's side of the protocol that __main__ describes."""

import contextlib
import faulthandler
import importlib
import json
import os
import platform
import shutil
import sys
import threading
import time
from functools import partial

from . import catalogue, context, execute, facts, simulate

USAGE, NO_TORCH, NO_DEVICE, DEVICE_LOST, ORPHAN, NO_SIMULATION = 64, 65, 66, 67, 68, 69
OUT_VARIABLE = "HWCOMPAT_WORKER_OUT"
"""Environment variable that tells a probe which file the worker writes; only the self-tests look at it."""

CALIBRATION_SIZE = 512
CALIBRATION_SECONDS = 0.002
"""Seconds of one fp32 product of 512 x 512 matrices below which a machine is not slow: on the two cores on which the
probes' SECONDS were written it takes 0.0006 s with both idle; the rest is room for a device's launch and neighbours."""

GO = "go"
_TURN_SECONDS = 0.02
_WATCH_SECONDS = 0.5
_ARENA_BYTES = 136 * 2**20
"""Address space that a thread reserves without using: 8 MiB of stack and two 64 MiB malloc arenas,
https://sourceware.org/glibc/wiki/MallocInternals#Arenas_and_Heaps."""


class Refusal(Exception):
    """The job cannot be done here; args: exit code, text."""


def main(job_path, out_path):
    """Do the job; the exit code of the process."""
    faulthandler.enable()
    try:
        with open(job_path, encoding="utf-8") as handle:
            job = json.load(handle)
    except (OSError, ValueError) as error:
        sys.stderr.write("unreadable job: %s\n" % error)
        return USAGE
    os.environ[OUT_VARIABLE] = out_path
    write = writer(out_path)
    write("start", pid=os.getpid(), python=platform.python_version())
    watch_parent(job.get("parent"), job.get("scratch"))
    try:
        code = {"info": do_info, "preflight": do_preflight, "probes": do_probes}[job["job"]](job, write)
    except Refusal as refusal:
        code, text = refusal.args
        write("refused", error=text)
    if code == 0:
        write("done")
    return code


def writer(path):
    """write(event, **fields) appends one line, whole and at once."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)

    def write(event, **fields):
        line = json.dumps(dict(fields, event=event), default=str)
        data = ("\n" + line + "\n").encode("ascii")
        while data:
            data = data[os.write(descriptor, data) :]

    return write


# --- the three jobs ---------------------------------------------------------------------------------------------------


def do_info(job, write):
    """Torch's facts; that torch is missing or broken is one of them."""
    try:
        torch = import_torch()
    except Refusal as refusal:
        write("info", **facts.read(None, refusal.args[1]))
        return 0
    write("info", **facts.read(torch))
    return 0


def do_preflight(job, write):
    started = time.perf_counter()
    torch = import_torch()
    write("ready", torch=str(torch.__version__), seconds=round(time.perf_counter() - started, 3))
    if job.get("wait"):
        first_backward(torch)
        await_turn(os.environ[OUT_VARIABLE])
    return preflight(torch, job["device"], write)


def first_backward(torch):
    """The first backward of a process imports some 490 modules (0.3 s), of no device: done while another one probes."""
    torch.ones((), requires_grad=True).backward()


def await_turn(out_path):
    """Return when the file that says so appears beside the output: another worker has the device until then."""
    go = os.path.join(os.path.dirname(out_path), GO)
    while not os.path.exists(go):
        time.sleep(_TURN_SECONDS)


def do_probes(job, write):
    prepare_environment(job)
    code = do_preflight(job, write)
    if code:
        return code
    torch = sys.modules["torch"]
    if torch.device(job["device"]).type == "cpu":
        limit_memory(job.get("memory_limit"))
    if job.get("paired"):
        torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    with simulation(torch, job.get("simulate")):
        return run_tasks(torch, job, write)


def prepare_environment(job):
    """Set what the probes of this process need before torch is there; what the user has set stays."""
    for probe_id, _ in job["tasks"]:
        for name, value in catalogue.find(probe_id, job.get("folder", "suite")).environment:
            os.environ.setdefault(name, value)


def run_tasks(torch, job, write):
    for index, (probe_id, dtype_name) in enumerate(job["tasks"]):
        write("begin", index=index, probe=probe_id, dtype=dtype_name)
        try:
            result = run_task(torch, job, probe_id, dtype_name, write, index)
        except execute.DeviceLost as lost:
            write("end", **dict(lost.result, index=index))
            write("lost", index=index)
            return DEVICE_LOST
        write("end", **dict(result, index=index))
        empty_cache(torch)
    return 0


def _write_case(write, index, label):
    write("case", index=index, label=label)


def _write_progress(write, index, share, seconds_left):
    write("progress", index=index, share=round(share, 4), seconds_left=seconds_left)


def run_task(torch, job, probe_id, dtype_name, write, index):
    return execute.run(
        torch,
        catalogue.find(probe_id, job.get("folder", "suite")),
        dtype_name,
        device=job["device"],
        level=job["level"],
        seed=job["seed"],
        memory_limit=job.get("memory_limit"),
        on_case=partial(_write_case, write, index),
        load_seconds=job.get("load_seconds"),
        on_progress=partial(_write_progress, write, index),
    )


def empty_cache(torch):
    """Give cached blocks back, so that the next probe sees the memory that is really free."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


# --- torch, the device, the fault model -------------------------------------------------------------------------------


def import_torch():
    try:
        return importlib.import_module("torch")
    except (Exception, SystemExit) as error:  # a broken installation raises anything: OSError, AttributeError, ...
        raise Refusal(NO_TORCH, "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])) from error


def preflight(torch, device, write):
    """One tiny addition; no verdict about a device that cannot do it."""
    started = time.perf_counter()
    ok, error, slowness = True, "", 1.0
    try:
        place = torch.device(device)
        total = int((torch.ones(4, device=place) + 1).sum().item())
        context.synchronize(torch, place)
        if total != 8:
            ok, error = False, "1 + 1 summed over four elements gave %d instead of 8" % total
    except Exception as problem:
        ok, error = False, "%s: %s" % (type(problem).__name__, " ".join(str(problem).split())[:500])
    with contextlib.suppress(Exception):  # that a product is impossible is for a probe to say
        if ok:
            slowest = max(calibrate(torch, torch.device(name)) for name in ("cpu", device))
            slowness = max(1.0, slowest / CALIBRATION_SECONDS)
    seconds = round(time.perf_counter() - started, 3)
    write("preflight", ok=ok, error=error, seconds=seconds, slowness=round(slowness, 2))
    return 0 if ok else NO_DEVICE


def calibrate(torch, device):
    """Seconds of one small fp32 product: the best of three, after one to warm up."""
    matrix = torch.ones(CALIBRATION_SIZE, CALIBRATION_SIZE, device=device)
    seconds = []
    for _ in range(4):
        context.synchronize(torch, device)
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        context.synchronize(torch, device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


@contextlib.contextmanager
def simulation(torch, name):
    """Run under the fault model `name`, a family's file or family.fault in simulate/; None: nothing is simulated."""
    if name is None:
        yield
        return
    try:
        mode = simulate.make(torch, name)
    except Exception as error:
        raise Refusal(NO_SIMULATION, "%s: %s" % (type(error).__name__, error)) from error
    with mode:
        yield


# --- the process itself -----------------------------------------------------------------------------------------------


def watch_parent(parent, scratch=None):
    """End this process soon after the one that waits for its answer has gone, and remove the folder `scratch`."""
    if os.name == "nt" or not parent:
        return  # on Windows the parent's job object does it
    first = os.getppid()
    if first == 1 and first != parent and not alive(parent):
        _leave(scratch)  # it was gone before this line was reached
    threading.Thread(target=_watch, args=(parent, first, alive(parent), scratch), daemon=True).start()


def _watch(parent, first, visible, scratch):
    # Both signs are needed: behind a wrapper script getppid() is the wrapper, and in a container the parent's id may
    # mean nothing.
    while os.getppid() == first and not (visible and not alive(parent)):
        time.sleep(_WATCH_SECONDS)
    _leave(scratch)


def _leave(scratch):
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(ORPHAN)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's: it exists
    return True


def limit_memory(limit):
    """Let an allocation that the machine cannot serve fail here as an error, instead of waking the OOM killer."""
    with contextlib.suppress(Exception):  # Windows has no resource module, macOS does not enforce this limit
        import resource

        limit = limit if limit is not None else free_bytes()
        size = address_space() + limit + (os.cpu_count() or 1) * _ARENA_BYTES
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def address_space():
    """Bytes of virtual memory this process holds."""
    with open("/proc/self/statm", encoding="ascii") as handle:
        return int(handle.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def free_bytes():
    """Bytes that can be had without swapping, by the machine and by the control group."""
    with open("/proc/meminfo", encoding="ascii") as handle:
        found = {line.split(":")[0]: line.split()[1] for line in handle}
    free = [int(found["MemAvailable"]) * 1024]
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: this group has no limit
        free.append(_number("/sys/fs/cgroup/memory.max") - _number("/sys/fs/cgroup/memory.current"))
    return max(0, min(free))


def _number(path):
    with open(path, encoding="ascii") as handle:
        return int(handle.read())
