"""Trains two steps with each emitted module in `argv` and prints what torch then says of itself; Python 3.8 syntax."""

import importlib.util
import json
import sys
import warnings

import torch


def load(path):
    spec = importlib.util.spec_from_file_location("hwcompat_torch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(module):
    """Losses, dtypes of the outputs, whether every weight moved, and the batch."""
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 2))
    model = module.place(torch.nn.Sequential(*layers))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batch = module.place(torch.rand(4, 3, 8, 8))
    seen = []

    def loss_of(net):
        answer = net(batch)
        seen.append(str(answer.dtype))
        return answer.float().pow(2).mean()

    losses = [module.training_step(model, optimizer, loss_of).item() for _ in range(2)]
    after = list(model.parameters())
    return {
        "computes_in": sorted(set(seen)),
        "weights": sorted({str(parameter.dtype) for parameter in after}),
        "trained": all(bool((before[n] != after[n]).any()) for n in range(len(after))),
        "losses_fall": losses[1] < losses[0],
        "channels_last": batch.is_contiguous(memory_format=torch.channels_last),
    }


def switches():
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    modern = hasattr(torch.backends, "fp32_precision")
    return {
        "allow_tf32": [matmul.allow_tf32, cudnn.allow_tf32],
        "fp32_precision": [matmul.fp32_precision, cudnn.conv.fp32_precision] if modern else None,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "benchmark": cudnn.benchmark,
    }


def read(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = load(path)
        found = train(module)
    deprecated = (FutureWarning, DeprecationWarning)
    told = [str(each.message) for each in caught if issubclass(each.category, deprecated)]
    scaler = [module.scaler.is_enabled(), module.scaler.get_scale()]
    return dict(found, scaler=scaler, warnings=told, torch=torch.__version__, **switches())


print("EFFECTIVE " + json.dumps([read(path) for path in sys.argv[1:]]))
