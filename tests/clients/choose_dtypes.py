"""Run by the tests beside a clone of a program that makes images: its own parser reads options, then its own functions
are asked which dtypes they choose on an NVIDIA GPU whose presence and name are pretended. No model is loaded.

    choose_dtypes.py comfyui|forge|fooocus|a1111 QUESTIONS.json

Questions: a list of [words, name of the GPU, "8.6"]. Prints a list of answers; `{"refused": 2}` where the parser left.
`weights` and `computed` are those of a network that would take any dtype, fp16 first (SD, SDXL); `bf16_first` is what
one is computed in that prefers bfloat16 (FLUX), where the program knows the difference. AUTOMATIC1111's web UI chooses
while it loads a model, so of it only the parsed options are told.
"""

import importlib
import json
import sys
import types

import torch

CLIENT, QUESTIONS = sys.argv[1:]
MEMORY = 8 << 30
PARAMETERS = 2_600_000_000
SD = [torch.float16, torch.bfloat16, torch.float32]
FLUX = [torch.bfloat16, torch.float16, torch.float32]


def pretend(name, capability):
    """A torch built for CUDA that sees one card of 8 GiB."""
    major, minor = map(int, capability.split("."))
    card = types.SimpleNamespace(name=name, major=major, minor=minor, total_memory=MEMORY)
    cuda = torch.cuda
    cuda.is_available, cuda.device_count = lambda: True, lambda: 1
    cuda.current_device = lambda: "cuda:0"  # torch.device(0) asks for a real accelerator
    cuda.get_device_properties = lambda device=None: card
    cuda.get_device_name = lambda device=None: name
    cuda.get_device_capability = lambda device=None: (major, minor)
    cuda.mem_get_info = lambda device=None: (MEMORY, MEMORY)
    cuda.memory_stats = lambda device=None: dict.fromkeys(("reserved_bytes.all.current", "active_bytes.all.current"), 0)
    cuda.get_allocator_backend = lambda: "native"
    cuda.is_bf16_supported = lambda *_, **__: major >= 8
    torch.version.cuda = "12.6"


def comfyui():
    importlib.import_module("comfy.options").enable_args_parsing()
    return importlib.import_module("comfy.model_management")


def forge():
    try:
        importlib.import_module("backend.args")
    except ModuleNotFoundError:
        options = importlib.import_module("ldm_patched.modules.args_parser")
        options.args, _ = options.parser.parse_known_args()  # as modules_forge/initialization.py does
        return _of_the_first_era("ldm_patched.modules.args_parser")
    sys.modules["backend.utils"] = types.ModuleType("utils")  # it wants gguf and safetensors, for loading models
    sys.modules["backend"].utils = sys.modules["backend.utils"]
    return importlib.import_module("backend.memory_management")


def fooocus():
    return _of_the_first_era("args_manager")


def a1111():
    return importlib.import_module("modules.cmd_args").parser.parse_args()


def _of_the_first_era(parser):
    importlib.import_module(parser)
    utils = types.ModuleType("utils")  # it wants safetensors, for loading models
    sys.modules["ldm_patched.modules.utils"] = sys.modules["ldm_patched.modules"].utils = utils
    return importlib.import_module("ldm_patched.modules.model_management")


def answer(words, name, capability):
    pretend(name, capability)
    for module in [key for key in sys.modules if key.partition(".")[0] in PACKAGES]:
        del sys.modules[module]
    sys.argv = ["main.py", *words]
    try:
        management = globals()[CLIENT]()
    except SystemExit as refusal:
        return {"refused": refusal.code}
    return {key: str(value).removeprefix("torch.") for key, value in chosen(management).items()}


PACKAGES = ("comfy", "backend", "ldm_patched", "args_manager", "modules_forge", "modules")


def chosen(management):
    if CLIENT == "a1111":
        return {key: value for key, value in vars(management).items() if value is True}
    device = torch.device("cuda", 0)
    found = {"text_encoder_on": management.text_encoder_device().type}
    if hasattr(management, "get_computation_dtype"):  # Forge 2
        weights = management.unet_dtype(device, PARAMETERS, SD)
        computed = management.get_computation_dtype(device, PARAMETERS, SD)
        preferring = management.get_computation_dtype(device, PARAMETERS, FLUX)
        vae = management.vae_dtype(device)
        return {**found, "weights": weights, "computed": computed, "bf16_first": preferring, "vae": vae}
    if CLIENT == "comfyui":
        weights, other = (management.unet_dtype(device, PARAMETERS, dtypes) for dtypes in (SD, FLUX))
        computed = management.unet_manual_cast(weights, device, SD) or weights
        preferring = management.unet_manual_cast(other, device, FLUX) or other
        vae = management.vae_dtype(device, [torch.bfloat16, torch.float32])
        return {**found, "weights": weights, "computed": computed, "bf16_first": preferring, "vae": vae}
    weights = management.unet_dtype(device, PARAMETERS)
    computed = management.unet_manual_cast(weights, device) or weights
    return {**found, "weights": weights, "computed": computed, "vae": management.vae_dtype()}


with open(QUESTIONS, encoding="utf-8") as file:
    answers = [answer(*question) for question in json.load(file)]
print("EFFECTIVE " + json.dumps(answers))
