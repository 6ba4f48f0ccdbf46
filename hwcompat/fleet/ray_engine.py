"""The fleet's engine on Ray: one task a GPU, pinned to its node (https://docs.ray.io/en/latest/ray-core/scheduling/).

num_gpus=1, num_cpus=0   a GPU of its own, and no waiting for processors that other work has reserved
NodeAffinity, soft=False the task runs on its node or fails; Ray does not move it to another one
max_calls=1              the worker process ends after the task; Ray's own default for tasks with GPUs
max_retries=0            a worker or node that dies is noted here, and tried again by us, not silently by Ray
num_returns="streaming"  the task first tells which GPU it was given, then its result
The results are compressed to less than 100 kB, which Ray hands to the driver directly: they do not lie in the object
store of the node they come from, and are not lost with it.

Usage statistics are a setting of the cluster's head (`ray start`); a driver that joins a cluster sends none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hwcompat import __version__
from hwcompat.errors import MachineError, UsageError
from hwcompat.fleet.engine import Event, Handle, Node
from hwcompat.fleet.task import PROCESSOR, Work

INSTALL = 'python -m pip install "hwcompat[fleet]" on every node, then ray start --head on one, ray start on the others'
_CONNECT_SECONDS = 5.0
ROLL_CALL_SECONDS = 120.0  # a node starts a Python process for it

Facts = Mapping[str, str]


class Roll(NamedTuple):
    """Who answered when all nodes were asked for their versions."""

    ready: tuple[Node, ...]
    absent: tuple[tuple[Node, str, str], ...]  # (node, outcome, why)


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, joined to the cluster at `address`: "auto" or HOST:PORT.

    UsageError for an address of another form; MachineError where Ray is missing, nobody answers, or the cluster has
    other versions of Ray or Python than this interpreter.
    """
    ray = _imported()
    _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise MachineError(f"no Ray cluster at {address}: {_line(error)}", _absent_hint(address)) from error
    except RuntimeError as error:
        raise _refused(address, error) from error
    except Exception as error:  # Ray has no one class for it
        raise MachineError(
            f"cannot join the Ray cluster at {address}: {_line(error)}", _absent_hint(address)
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _imported() -> Any:
    # By default Ray asks a head that is gone or hangs 20 times, 40 seconds each.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    try:
        import ray
    except ImportError as error:
        raise MachineError("Ray is not installed in this interpreter", INSTALL) from error
    return ray


def _check_address(address: str) -> None:
    """Everything that ray.init would take for an order to start a cluster, or would wait a minute for."""
    if address == "auto":
        return
    if address.startswith("ray://"):
        hint = "run this on a node of the cluster with --address auto, or as a job: ray job submit -- hwcompat ..."
        raise UsageError("Ray's client protocol (ray://) is not served: it dies with its connection", hint)
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{address!r} is no address of a Ray cluster", "--address auto, or HOST:PORT (6379)")
    try:
        answers = _is_grpc(host.strip("[]"), int(port))
    except OSError as error:
        what = f"nobody answers at {address}: {error.strerror or error}"
        raise MachineError(
            what, "`ray status` on the head node shows its address; a firewall may be in between"
        ) from error
    if not answers:
        hint = "`ray status` on the head node shows its address; not the dashboard's port (8265)"
        raise MachineError(f"what answers at {address} is no head of a Ray cluster", hint)


def _is_grpc(host: str, port: int) -> bool:
    """Whether a server there begins to talk as gRPC's do (HTTP/2, RFC 9113, 3.4: each side sends SETTINGS first). Ray
    itself would ask any other server again and again for minutes. OSError where nobody listens."""
    with socket.create_connection((host, port), _CONNECT_SECONDS) as there:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return True  # Ray's own handshake would be needed first
        found = b""
        with contextlib.suppress(OSError):  # silence, or a connection that is closed: an answer too
            there.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            while len(found) < 4 and (more := there.recv(64)):
                found += more
    return found[3:4] == b"\4"


def _absent_hint(address: str) -> str:
    if address == "auto":
        return (
            "run this on a node of the cluster, or name its head: --address HOST:6379; to begin one: ray start --head"
        )
    return "`ray status` on the head node shows whether it lives"


def _refused(address: str, error: RuntimeError) -> MachineError:
    if "Version mismatch" in str(error):
        words = " ".join(str(error).split())
        hint = "use the very same versions of Ray and Python on every node and here"
        return MachineError(f"this interpreter does not fit the cluster: {words[:500]}", hint)
    return MachineError(f"cannot join the Ray cluster at {address}: {_line(error)}", _absent_hint(address))


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


# --- who is there -----------------------------------------------------------------------------------------------------


def live_nodes(ray: Any, processors: bool, only: Sequence[str] = ()) -> tuple[Node, ...]:
    """The nodes to work on, by name; `only` those named. UsageError for a name that no live node has, MachineError
    where there is no GPU at all, or two nodes have one name."""
    found = _alive(ray, processors)
    if unknown := sorted(set(only) - {node.name for node in found}):
        raise UsageError(f"no live node is called {unknown[0]!r}", f"live ones: {_first(found)}")
    found = tuple(node for node in found if not only or node.name in only)
    if not found:
        hint = "start nodes with GPUs (ray start --num-gpus N where it does not see them), or test --processors"
        raise MachineError("there is no GPU in this Ray cluster", hint)
    twice = [name for name, count in Counter(node.name for node in found).items() if count > 1]
    if twice:
        raise MachineError(
            f"{len(twice)} names belong to several nodes, {twice[0]!r} for one: a result could not be told apart",
            "name each: ray start --node-name NAME",
        )
    return found


def _first(nodes: Sequence[Node]) -> str:
    return (", ".join(node.name for node in nodes[:5]) + (" ..." if len(nodes) > 5 else "")) or "none"


def _alive(ray: Any, processors: bool) -> tuple[Node, ...]:
    found = []
    for one in ray.nodes():
        slots = 1 if processors else int(one["Resources"].get("GPU", 0))
        if one["Alive"] and slots:
            found.append(Node(one["NodeID"], _name(one), slots))
    return tuple(sorted(found, key=lambda node: node.name))


def _name(one: Mapping[str, Any]) -> str:
    """The name that was given to the node, else its host's; by default Ray takes the address for the name."""
    given = one.get("NodeName") or ""
    return given if given and given != one["NodeManagerAddress"] else one["NodeManagerHostname"]


def roll_call(ray: Any, nodes: Sequence[Node], skip_mixed: bool, seconds: float = ROLL_CALL_SECONDS) -> Roll:
    """Ask every node for its versions. MachineError where they are mixed; `skip_mixed` leaves those nodes out."""
    waiting = {_ask(ray, node): node for node in nodes}
    ready, absent = [], []
    end = time.monotonic() + seconds
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=max(0.0, end - time.monotonic()))
        if not done:
            break
        node = waiting.pop(done[0])
        try:
            why = _other_version(ray.get(done[0]))
        except ray.exceptions.RayError as error:
            absent.append((node, "unreachable", _line(error)))
            continue
        if why:
            absent.append((node, "refused", why))
        else:
            ready.append(node)
    for ref, node in waiting.items():
        ray.cancel(ref, force=True)
        absent.append((node, "unreachable", f"no answer to the roll call for {seconds:g} s"))
    mixed = [one for one in absent if one[1] == "refused"]
    if mixed and not skip_mixed:
        raise _mixed(mixed, len(nodes))
    return Roll(tuple(sorted(ready, key=lambda node: node.name)), tuple(absent))


def _ask(ray: Any, node: Node) -> Any:
    def call() -> dict[str, str]:  # nested, so that it travels by value: the node may have no hwcompat, or another one
        import importlib
        import platform

        facts = {"python": platform.python_version(), "hwcompat": ""}
        try:
            facts["hwcompat"] = importlib.import_module("hwcompat").__version__
            importlib.import_module("hwcompat.fleet.task")
        except Exception as error:
            facts["error"] = f"{type(error).__name__}: {error}"
        return facts

    remote = ray.remote(num_cpus=0, max_retries=0)(call)
    return remote.options(scheduling_strategy=_pinned(node)).remote()


def _pinned(node: Node) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def _other_version(facts: Facts) -> str:
    """Why a node that answered so cannot take part; empty if it can."""
    if facts["hwcompat"] != __version__:
        return f"hwcompat {facts['hwcompat']}, not {__version__}" if facts["hwcompat"] else "no hwcompat there"
    here = ".".join(map(str, sys.version_info[:2]))
    if facts["python"].rpartition(".")[0] != here:
        return f"Python {facts['python']}, not {here}"
    return facts.get("error", "")


def _mixed(mixed: Sequence[tuple[Node, str, str]], count: int) -> MachineError:
    kinds = Counter(why for _, _, why in mixed)
    told = "; ".join(
        f"{why}: {number} nodes" if number > 1 else f"{why}: 1 node" for why, number in kinds.most_common(5)
    )
    names = _first([node for node, _, _ in mixed])
    return MachineError(
        f"{len(mixed)} of {count} nodes do not have this version ({told}; {names})",
        f"python -m pip install hwcompat=={__version__} there and restart Ray, or leave them out with --skip-mixed",
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


HEAD_SECONDS = 20.0
"""A head that is restarted is back sooner; after 60 Ray ends every process that depends on it."""


def _headless(why: str) -> MachineError:
    hint = "once it is back, start this again with the same folder: nothing that was finished is lost"
    return MachineError(f"the head of the Ray cluster is gone: {why}", hint)


class RayCluster:
    """An `engine.Cluster`. `work` runs on the nodes: task.measure, or anything of its form."""

    def __init__(self, ray: Any, work: Work, processors: bool) -> None:
        self._ray, self._processors = ray, processors
        self._known: Sequence[Node] = _alive(ray, processors)
        self._silent = 0.0  # since when the head has not answered
        self._remote = ray.remote(num_gpus=0 if processors else 1, num_cpus=0, max_calls=1, max_retries=0)(
            _served(work, processors)
        )

    def nodes(self) -> Sequence[Node]:
        """The live nodes; the last that were known while the head is silent. MachineError when it stays so."""
        if self._head_answers():
            try:
                self._known = _alive(self._ray, self._processors)
            except Exception as error:  # Ray has no one class for it
                raise _headless(_line(error)) from error
        return self._known

    def _head_answers(self) -> bool:
        """Asked here because Ray itself would wait a minute for its head, and then end this process with a word of its
        own; what other nodes have finished meanwhile still comes in."""
        host, _, port = self._ray.get_runtime_context().gcs_address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except OSError as error:
            self._silent = self._silent or time.monotonic()
            if time.monotonic() - self._silent > HEAD_SECONDS:
                raise _headless(f"no answer for {HEAD_SECONDS:g} s: {error.strerror or error}") from error
            return False
        self._silent = 0.0
        return True

    def start(self, node: Node, ask: Mapping[str, Any]) -> Handle:
        handle: Handle = self._remote.options(
            num_returns="streaming", scheduling_strategy=_pinned(node), name=f"hwcompat {ask['run']}"
        ).remote(dict(ask))
        return handle

    def poll(self, handles: Sequence[Handle], seconds: float) -> Sequence[Event]:
        if not handles:
            return ()
        ready, _ = self._ray.wait(list(handles), num_returns=len(handles), timeout=0)
        if not ready and seconds:
            ready, _ = self._ray.wait(list(handles), num_returns=1, timeout=seconds)
        return [self._event(handle) for handle in ready]

    def _event(self, handle: Any) -> Event:
        errors = self._ray.exceptions
        try:
            return Event(handle, "message", self._ray.get(next(handle)))
        except StopIteration:
            return Event(handle, "ended")
        except errors.RayTaskError as error:
            return Event(handle, "failed", outcome="crashed", detail=_cause(error))
        except errors.TaskUnschedulableError as error:
            return Event(handle, "failed", outcome="unreachable", detail=_line(error))
        except errors.RayError as error:  # the worker or the node died, or Ray's own memory guard ended it
            return Event(handle, "failed", outcome="lost", detail=f"{type(error).__name__}: {_line(error)}")

    def cancel(self, handle: Handle) -> None:
        with contextlib.suppress(Exception):  # it may be over, or its node gone
            self._ray.cancel(handle, force=True)


def _served(work: Work, processors: bool) -> Callable[[Mapping[str, Any]], Iterator[Mapping[str, Any]]]:
    def hwcompat_probe(ask: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        import ray

        from hwcompat.fleet import task

        slot = PROCESSOR
        if not processors:
            slot = ",".join(ray.get_runtime_context().get_accelerator_ids()["GPU"])
        yield from task.serve(ask, work, slot)

    return hwcompat_probe


def _cause(error: Any) -> str:
    """What a task raised, without the frames."""
    cause = getattr(error, "cause", None)
    return f"{type(cause).__name__}: {cause}"[:1000] if cause is not None else _line(error)
