"""What keeps this machine's torch from using its card, and the one line that repairs it. Pure once the tables are
loaded."""

from __future__ import annotations

from . import environment, resolver, tables
from .errors import HwcompatError
from .model import Environment, Pin
from .wording import install_command

_DRIVER_FIRST = "nvidia-smi must list the card first: install or repair the driver as said, then: hwcompat env"
_LOOK = "the build is right for this machine; what stands in the way is told by: hwcompat env"


def blocks(env: Environment) -> str:
    """What is installed and what stands in the way, in one line; "" where nothing does."""
    blocked = environment.unusable_gpu(env)
    if blocked or env.torch:
        return blocked or ""
    why = next((note for note in env.notes if note.startswith("torch could not be imported")), "")
    return "the chosen Python has no usable torch" + (f": {why}" if why else "")


def line(env: Environment, pin: Pin, python: str = "python") -> str:
    """The command that installs `pin`, or what must be done first where no build would help."""
    if env.driver is None and _needs_driver(env):
        return _DRIVER_FIRST
    if pin.installed:
        return _LOOK
    return install_command(pin, python, env.torch.version if env.torch else None)


def _needs_driver(env: Environment) -> bool:
    """A Jetson's driver comes with its system and has no number of its own."""
    cards = [gpu for gpu in env.gpus if gpu.vendor == "nvidia" and not gpu.hidden]
    return bool(cards) and not any("jetson" in gpu.name.lower() for gpu in cards)


def line_here(env: Environment) -> str:
    """`line` for the build that serves this machine, started by its own interpreter; else why no build does."""
    try:
        pin = resolver.resolve(
            tuple(gpu for gpu in env.gpus if gpu.vendor == "nvidia"),
            driver=env.driver,
            os=env.os,
            arch=env.arch,
            python=env.python or "",
            installed=env.torch,
            tables=tables.load_tables(),
            index_base=tables.index_base(),
            wsl=env.wsl,
        )
    except HwcompatError as error:
        return " ".join(part for part in (error.message, error.hint) if part)
    return line(env, pin, python_word(env))


def python_word(env: Environment) -> str:
    """How the user starts the chosen interpreter; quoted where the path has a blank."""
    path = env.executable or "python"
    return f'"{path}"' if " " in path else path
