"""Run by the tests inside a client's environment: for each file, what accelerate loads and what it would start.

Loading is load_config_from_file, which refuses unknown keys. What is started is asked of the launcher's own functions:
the checked arguments and the environment of the script, so that files for several cards and for fp16 can be read too.
"""

import json
import sys

from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env, prepare_simple_launcher_cmd_env


def environment(arguments):
    if arguments.multi_gpu:
        return prepare_multi_gpu_env(arguments)
    return prepare_simple_launcher_cmd_env(arguments)[1]


def read(path):
    try:
        loaded = load_config_from_file(path)
    except (TypeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    fields = {key: getattr(loaded, key) for key in ("mixed_precision", "num_processes", "num_machines", "use_cpu")}
    arguments, *_ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", path, "train.py"]))
    try:
        variables = environment(arguments)
    except (AttributeError, ValueError) as error:
        return {**fields, "refused at launch": f"{type(error).__name__}: {error}"}
    return {
        **fields,
        "distributed_type": loaded.distributed_type.value,
        "multi_gpu": bool(arguments.multi_gpu),
        "processes": int(variables.get("nproc_per_node", arguments.num_processes)),
        "word": variables["ACCELERATE_MIXED_PRECISION"],
        "cpu": variables.get("ACCELERATE_USE_CPU", "unset").lower(),
    }


print("EFFECTIVE " + json.dumps({path: read(path) for path in sys.argv[1:]}))
