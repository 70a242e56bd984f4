"""Clause: importing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from pytti_graph.core.plugins import installed
from pytti_graph.testing.subjects import modules, plugins_of

_CODE = "import sys, {module}; sys.exit(3 if 'torch' in sys.modules else 0)"


def usable(distribution: str) -> Iterator[str]:
    """All that a distribution offers can be used: nothing of it fails to load."""
    for plugin in plugins_of(distribution, installed()):
        yield from (f"of its plugin '{plugin.name}' cannot be used: {failure}" for failure in plugin.failures)


def light(distribution: str) -> Iterator[str]:
    """Importing the modules that a distribution's entry points name does not import torch.

    So listing nodes and checking graphs stay quick.
    """
    for module in modules(distribution):
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE.format(module=module)], capture_output=True, text=True, check=False
        )
        if done.returncode == 3:
            yield (
                f"importing {module} imports torch; register nodes by name, as in "
                f"register('{module}.module:function'), and import torch in the node's own module"
            )
        elif done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"it ends with {done.returncode}"]
            yield f"{module} cannot be imported: {last[0]}"
