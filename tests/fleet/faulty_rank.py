"""A rank of the collectives check over a backend with a fault: faulty_rank.py FAULT WHERE ..., then a rank's options.

FAULT is the name of a class or function below; WHERE is the rank that has it.
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

ISLAND = Path(__file__).parents[2] / "hwcompat" / "collectives" / "__main__.py"


def island():
    spec = importlib.util.spec_from_file_location("_loader", ISLAND)
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    return loader.load_island()


worker = island()
Comm = worker.operations.Comm


class Sound(Comm):
    """Nothing is wrong."""


class Several(Comm):
    """Another fault in every collective, told apart by the tensor's length: see test_collectives.FAULTS."""

    where = 0

    def me(self):
        return self.dist.get_rank() == self.where

    def all_reduce(self, tensor, maximum):
        if tensor.numel() == 257 and self.me() and not maximum:
            tensor.zero_()  # this rank's share never gets into the sum
        if tensor.numel() == 259 and not maximum:
            return self.in_bf16(tensor)
        super().all_reduce(tensor, maximum)
        if tensor.numel() == 5 and self.me():
            tensor[3] += 1  # one element on one rank
        return None

    def in_bf16(self, tensor):
        """Added up in bf16, whatever the dtype."""
        rounded = tensor.to(self.torch.bfloat16)
        super().all_reduce(rounded, False)
        tensor.copy_(rounded)

    def all_gather(self, out, given):
        if given.numel() == 2 and self.me():
            given = given.roll(1)  # what this rank sends is damaged, and all receive it so
        super().all_gather(out, given)

    def broadcast(self, tensor, root):
        if tensor.numel() == 257:
            raise RuntimeError("ProcessGroupFaulty does not support broadcast of this")
        super().broadcast(tensor, root)
        if tensor.numel() == 5 and self.me():
            tensor[0] = -0.0 if tensor[0] == 0 else tensor[0] * float("nan")

    def all_to_all(self, out, given):
        super().all_to_all(out, given)
        if out.numel() == 6 and self.me():
            given[0] += 1  # the input is only to be read


class Hangs(Comm):
    """The call returns on the others, and never on this rank."""

    where = 0

    def broadcast(self, tensor, root):
        super().broadcast(tensor, root)
        if self.dist.get_rank() == self.where:
            time.sleep(3600)


class Dies(Comm):
    where = 0

    def broadcast(self, tensor, root):
        if self.dist.get_rank() == self.where:
            os._exit(9)
        super().broadcast(tensor, root)


class Late(Comm):
    """This rank never comes to its first broadcast."""

    where = 0

    def __init__(self, torch):
        super().__init__(torch)
        kinds = worker.operations.KINDS
        sound = kinds["broadcast"].given

        def never(values, rank):
            if rank == self.where:
                time.sleep(3600)
            return sound(values, rank)

        kinds["broadcast"] = kinds["broadcast"]._replace(given=never)


if __name__ == "__main__":
    fault = globals()[sys.argv[1]]
    fault.where = int(sys.argv[2])
    code = worker.main(sys.argv[3:], fault)
    sys.stdout.flush()
    os._exit(code)
