"""What tests of the engine share."""

import pytest
import torch

from pytti_graph import Interrupted
from pytti_graph.api import resume


@pytest.fixture
def resumes():
    """Stops a graph's rendering at every opportunity and resumes it: the same pictures and the same losses."""

    def check(graph, folder):
        whole = [frame.tensor for frame in graph.render(folder / "whole")]
        lines = (folder / "whole" / "losses.jsonl").read_text()
        for stop in range(1, 40):
            count, seen = iter(range(1000)), []
            try:
                for frame in graph.render(
                    folder / str(stop), cancelled=lambda stop=stop, count=count: next(count) + 1 >= stop
                ):
                    seen.append(frame.tensor)
            except Interrupted:
                seen += [frame.tensor for frame in resume(folder / str(stop), registry=graph.registry).frames()]
                assert len(seen) == len(whole), stop
                assert all(torch.equal(one, other) for one, other in zip(seen, whole, strict=True)), stop
                assert (folder / str(stop) / "losses.jsonl").read_text() == lines
            else:
                return
        raise AssertionError("it never ran to its end")

    return check
