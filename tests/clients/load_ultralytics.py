"""Run by the tests inside a client's environment: loads a file the strict way, prints the effective values as JSON.

The strict way is get_cfg(DEFAULT_CFG, file): with one argument get_cfg takes any key.
"""

import json
import sys

from ultralytics.cfg import DEFAULT_CFG, get_cfg

loaded = vars(get_cfg(DEFAULT_CFG, sys.argv[1]))
print("EFFECTIVE " + json.dumps({key: loaded.get(key, "absent") for key in ("amp", "half", "quantize")}))
