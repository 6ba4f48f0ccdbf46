"""A stand-in for torchvision with the few names that the clients under test import.

The real wheels bring operators compiled for one build of torch; beside another build their import fails with "operator
torchvision::nms does not exist". Nothing here is imported by hwcompat.
"""

from . import datasets, ops, transforms

__version__ = "0.28.0"
__all__ = ["datasets", "ops", "transforms"]
