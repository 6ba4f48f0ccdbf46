"""Run by the tests inside a client's environment: InvokeAI's own start reads the file in each root folder, strictly,
and is then asked for the dtype of weights on a GPU whose presence and name are pretended.

    load_invokeai.py GPU ROOT...

Prints one object, root -> what was found, or `{"refused": message}`. One process, since starting torch takes seconds.
"""

import importlib.util
import json
import sys

gpu, *roots = sys.argv[1:]

import torch  # noqa: E402
from invokeai.app.services.config import config_default  # noqa: E402
from invokeai.frontend.cli.arg_parser import InvokeAIArgs  # noqa: E402

torch.cuda.is_available = lambda: True
torch.cuda.get_device_name = lambda device=None: gpu
torch.cuda.current_device = lambda: 0


def devices():
    """The module that chooses dtypes, by its path: in 4.0 the package around it imports diffusers, for other things."""
    path = config_default.__file__.replace("\\", "/").replace(
        "app/services/config/config_default", "backend/util/devices"
    )
    spec = importlib.util.spec_from_file_location("devices", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(root):
    config_default.get_config.cache_clear()
    sys.argv = ["invokeai-web", "--root", root]
    InvokeAIArgs.parse_args()
    try:
        config = config_default.get_config()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    module = devices()
    dtype_on = module.TorchDevice.choose_torch_dtype if hasattr(module, "TorchDevice") else module.torch_dtype
    dtype = dtype_on(torch.device("cpu" if config.device == "cpu" else "cuda"))
    values = {"precision": config.precision, "device": config.device, "schema": config.schema_version}
    return {**values, "dtype": str(dtype).removeprefix("torch.")}


print("EFFECTIVE " + json.dumps({root: found(root) for root in roots}))
