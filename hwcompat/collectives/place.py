"""Which rank this is and where the ranks meet: the options, else what a launcher left in the environment."""

import os
import sys
from typing import NamedTuple

LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
)
"""https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables,
https://slurm.schedmd.com/srun.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES,
https://docs.open-mpi.org/en/v5.0.x/tuning-apps/environment-var.html"""

PORT = "29500"  # torchrun's own default


class Place(NamedTuple):
    """`rendezvous` is file:///path, or tcp://host:port; `serves`: this rank is to open the port."""

    rank: int
    world: int
    local_rank: int
    rendezvous: str
    serves: bool
    attempt: str = "0"


class Lost(Exception):
    """Nobody says which rank this is; the text says what to set."""


def find(rank, world, local_rank, rendezvous, environ):
    """The Place; `rank` and so on are the options, None where they are left out."""
    if rank is None or world is None:
        rank, world, local_rank = _launched(environ)
    if not 0 <= rank < world or world < 2:
        raise Lost("rank %d of %d is none: two or more ranks, counted from 0" % (rank, world))
    if local_rank is None:
        local_rank = rank
    agent = environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if rendezvous is None:
        host = environ.get("MASTER_ADDR")
        if not host:
            raise Lost(
                "nobody says where the ranks meet: export MASTER_ADDR (rank 0's host), under Slurm "
                "MASTER_ADDR=$(scontrol show hostnames $SLURM_JOB_NODELIST | head -n 1)"
            )
        rendezvous = "tcp://%s:%s" % (host, environ.get("MASTER_PORT", PORT))
    attempt = environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Place(rank, world, local_rank, rendezvous, rank == 0 and not agent, attempt)


def _launched(environ):
    for names in LAUNCHERS:
        if all(environ.get(name, "").isdigit() for name in names[:2]):
            local = environ.get(names[2], "")
            return int(environ[names[0]]), int(environ[names[1]]), int(local) if local.isdigit() else None
    raise Lost("nobody says which rank this is: start it with torchrun, srun or mpirun, or give --rank and --world")


def stores(dist, place, seconds):
    """Two connections to the meeting place, one a thread: see board.py."""
    from datetime import timedelta

    limit = timedelta(seconds=seconds)
    prefix = "hwcompat/%s" % place.attempt
    if place.rendezvous.startswith("file://"):  # one machine: no name of it has to be resolved to an address
        if sys.platform != "win32":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        path = place.rendezvous[len("file://") :]
        return [dist.PrefixStore(prefix, dist.FileStore(path, place.world)) for _ in range(2)]
    host, _, port = place.rendezvous[len("tcp://") :].rpartition(":")
    found = []
    for serves in (place.serves, False):
        # wait_for_workers=False: a rank that never comes is to be named, not waited for
        store = dist.TCPStore(
            host, int(port), place.world, is_master=serves, timeout=limit, wait_for_workers=False
        )  # fmt: skip
        found.append(dist.PrefixStore(prefix, store))
    return found
