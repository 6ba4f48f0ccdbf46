"""Parses the specifications in the JSON file `argv[1]` and solves them against a channel in a folder, with rattler."""

import asyncio
import json
import os
import sys
from pathlib import Path

from rattler import BuildString, GenericVirtualPackage, MatchSpec, PackageName, Version, solve

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
specs = [MatchSpec(text, strict=False) for text in job["specs"]]
parsed = [str(spec) for spec in specs]


async def chosen():
    virtual = [
        GenericVirtualPackage(PackageName(name), version=Version(version), build_string=BuildString("0"))
        for name, version in job["virtual"].items()
    ]
    records = await solve(
        sources=[job["channel"]], specs=specs, platforms=[job["platform"], "noarch"], virtual_packages=virtual
    )
    return {record.name.normalized: [str(record.version), str(record.build)] for record in records}


try:
    solved = asyncio.run(chosen())
except Exception as error:  # whatever the solver calls it: the caller wants the words
    solved = str(error)
print("EFFECTIVE " + json.dumps({"parsed": parsed, "solved": solved}), flush=True)
os._exit(0)  # rattler's threads outlive asyncio and now and then crash an interpreter that shuts down
