"""What a user can say of the cluster and of each variation's share of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from pytti_graph import UsageError

Shared = Literal["auto", "yes", "no"]
NAMES = ("address", "num_cpus", "num_gpus", "shared", "temp_dir", "wait")
_VARIABLE = "PYTTI_GRAPH_RAY_"


@dataclass(frozen=True, slots=True)
class Options:
    """What a user has chosen.

    Attributes:
        jobs: How many variations run at once, or None for as many as the cluster has room for.
        address: Of the cluster, as `ray.init` takes it; "local" starts one on this machine.
        num_cpus: Processors of each variation.
        num_gpus: Graphics cards of each variation, or None for one if the cluster has any.
        shared: Whether the machines share the sweep's folder; "auto" finds out.
        temp_dir: Where a local cluster keeps its files, or None for Ray's choice. Must be short.
        wait: Wait for machines that are not there yet, on a cluster that grows by itself.
    """

    jobs: int | None = None
    address: str = "local"
    num_cpus: float = 1.0
    num_gpus: float | None = None
    shared: Shared = "auto"
    temp_dir: str | None = None
    wait: bool = False

    @classmethod
    def read(cls, jobs: int | None, given: Mapping[str, str], environment: Mapping[str, str]) -> Options:
        """Read options as texts; what is not given is taken from the environment.

        Args:
            jobs: How many variations run at once.
            given: Texts by name.
            environment: `PYTTI_GRAPH_RAY_NUM_GPUS=0.5` and the like, and Ray's own `RAY_ADDRESS`.

        Raises:
            UsageError: There is no such option, or it has no such value.
        """
        if jobs is not None and jobs < 1:
            raise UsageError(f"{jobs} variations at once are too few", hint="give 'jobs' a number of at least 1")
        for name in given:
            if name not in NAMES:
                near = get_close_matches(name, NAMES, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(NAMES)}"
                raise UsageError(f"the executor 'ray' has no option '{name}'", hint=hint)
        texts = {name: environment[key] for name in NAMES if environment.get(key := _VARIABLE + name.upper())}
        texts |= given
        return cls(
            jobs,
            texts.get("address") or environment.get("RAY_ADDRESS") or "local",
            _number("num_cpus", texts.get("num_cpus", "1")),
            _number("num_gpus", texts["num_gpus"]) if "num_gpus" in texts else None,
            _choice(texts.get("shared", "auto")),
            texts.get("temp_dir"),
            _choice(texts.get("wait", "no")) == "yes",
        )


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or (number > 1 and number != int(number)):
        hint = f"write {name}=1, or a part of one such as {name}=0.5"
        raise UsageError(f"{name}: '{text}' is not a number that Ray can share out", hint=hint)
    return number


def _choice(text: str) -> Shared:
    for choice in ("auto", "yes", "no"):
        if text == choice:
            return choice
    raise UsageError(f"'{text}' is neither yes nor no")
