"""What a fault does to a tensor: every function returns a damaged copy and leaves the original alone."""

import math
import random


def integer_bits(torch, tensor):
    """The tensor's bits as integers of its width; shares its memory."""
    return tensor.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


def with_element(torch, tensor, index, value):
    """One element replaced, counted in logical (row-major) order; negative from the end."""
    damaged = tensor.clone()
    damaged[_position(tensor, index)] = value
    return damaged


def one_ulp_off(torch, tensor, index):
    """The nearest finite number that is not zero, from `index` on, gets the next larger magnitude; None: none is."""
    flat = tensor.reshape(-1)
    good = (torch.isfinite(flat) & (flat != 0)).nonzero().flatten()
    if not good.numel():
        return None
    place = int(good[good >= index][0]) if bool((good >= index).any()) else int(good[-1])
    bits = integer_bits(torch, flat[place].clone().reshape(1)) + 1
    return with_element(torch, tensor, place, bits.view(tensor.dtype)[0])


def with_sign_flipped(torch, tensor):
    """The first element that is not zero with the other sign; None where all are zero."""
    flat = tensor.reshape(-1)
    found = (flat != 0).nonzero().flatten()
    if not found.numel():
        return None
    return with_element(torch, tensor, int(found[0]), -flat[int(found[0])])


def with_slice(tensor, dim, start, step, value):
    """Every step-th slice of `dim` from `start` on replaced by `value`."""
    damaged = tensor.clone()
    damaged.transpose(0, dim)[start::step] = value
    return damaged


def with_bits_flipped(torch, tensor, generator, rate, mask):
    """The bits of `mask` flipped in each element with probability `rate`; `generator` is a random.Random."""
    places = hit_places(generator, tensor.numel(), rate)
    if not places:
        return tensor
    flat = tensor.contiguous().clone().reshape(-1)
    bits = integer_bits(torch, flat)
    chosen = torch.tensor(places, device=tensor.device)
    bits[chosen] = bits[chosen] ^ torch.tensor(_signed(mask, tensor.element_size()), dtype=bits.dtype)
    return torch.empty_like(tensor).copy_(flat.reshape(tensor.shape))


def hit_places(generator, count, rate):
    """Which of `count` elements are hit, each with probability `rate`, by geometric gaps: rare hits cost nothing."""
    places = []  # type: list[int]
    place = -1
    while True:
        place += 1 + int(math.log(1.0 - generator.random()) / math.log1p(-rate))
        if place >= count:
            return places
        places.append(place)


def dice(seed):
    """A random generator of the fault's own: torch's is not disturbed, and every run has the same positions."""
    return random.Random(seed)  # noqa: S311  # positions of faults, not secrets


def _signed(mask, width):
    top = 1 << (8 * width - 1)
    return mask - 2 * top if mask & top else mask


def _position(tensor, index):
    """The index of every dimension for element `index` in row-major order."""
    place, found = index % tensor.numel(), []
    for size in reversed(tensor.shape):
        place, rest = divmod(place, size)
        found.append(rest)
    return tuple(reversed(found))


def exponent_bit(dtype_name):
    """Mask of the second bit of the exponent: a factor of four."""
    return {"float16": 1 << 11, "bfloat16": 1 << 8, "float32": 1 << 24, "float64": 1 << 53}[dtype_name]
