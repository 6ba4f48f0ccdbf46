"""Saves and restores torch's global switches, and sets the ones under which probes are judged."""

import contextlib

# (path below torch, attribute). Read and written only where the release has it.
_SWITCHES = (
    ("backends.cuda.matmul", "allow_tf32"),
    ("backends.cuda.matmul", "allow_fp16_reduced_precision_reduction"),
    ("backends.cuda.matmul", "allow_bf16_reduced_precision_reduction"),
    ("backends.cuda.matmul", "allow_fp16_accumulation"),
    ("backends.cudnn", "allow_tf32"),
    ("backends.cudnn", "enabled"),
    ("backends.cudnn", "benchmark"),
    ("backends.cudnn", "deterministic"),
)


@contextlib.contextmanager
def preserved(torch):
    """Everything global that a probe may touch is put back: random state, switches, grad mode, determinism."""
    switches = read_switches(torch)
    cpu_rng = torch.get_rng_state()
    cuda_rng = torch.cuda.get_rng_state_all() if _cuda_started(torch) else None
    grad = torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled(), _warn_only(torch)
    default_dtype = torch.get_default_dtype()
    try:
        yield
    finally:
        write_switches(torch, switches)
        torch.set_rng_state(cpu_rng)
        if cuda_rng is not None:
            torch.cuda.set_rng_state_all(cuda_rng)
        torch.set_grad_enabled(grad)
        set_deterministic(torch, *deterministic)
        torch.set_default_dtype(default_dtype)


def read_switches(torch):
    """{"backends.cudnn.allow_tf32": True, ...}: what this release has of the switches above."""
    found = {}
    for path, name in _SWITCHES:
        with contextlib.suppress(Exception):
            found["%s.%s" % (path, name)] = getattr(_module(torch, path), name)
    return found


def write_switches(torch, values):
    for key, value in values.items():
        path, name = key.rsplit(".", 1)
        with contextlib.suppress(Exception):
            if getattr(_module(torch, path), name) != value:
                setattr(_module(torch, path), name, value)


def judging(torch):
    """Default kernels, but fp32 means fp32: TF32 off, so that a result says which precision it speaks about."""
    write_switches(torch, {"backends.cuda.matmul.allow_tf32": False, "backends.cudnn.allow_tf32": False})
    torch.set_grad_enabled(True)


def _module(torch, path):
    node = torch
    for part in path.split("."):
        node = getattr(node, part)
    return node


def _cuda_started(torch):
    return bool(getattr(torch, "cuda", None)) and torch.cuda.is_available() and torch.cuda.is_initialized()


def _warn_only(torch):
    reader = getattr(torch, "is_deterministic_algorithms_warn_only_enabled", None)
    return bool(reader()) if reader else False


def set_deterministic(torch, mode, warn_only=False):
    """torch.use_deterministic_algorithms by its other interface; in newer releases the first imports the compiler."""
    if (torch.are_deterministic_algorithms_enabled(), _warn_only(torch)) == (mode, warn_only):
        return
    if hasattr(torch, "set_deterministic_debug_mode"):
        torch.set_deterministic_debug_mode(("warn" if warn_only else "error") if mode else "default")
    else:
        torch.use_deterministic_algorithms(mode)
