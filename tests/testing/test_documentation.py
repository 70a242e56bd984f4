"""The page about testing tells of everything there is."""

import re
from pathlib import Path

from pytti_graph import testing
from pytti_graph.core.nodes import spec_of
from pytti_graph.testing.clauses import CLAUSES
from pytti_graph.testing.kit import EXAMPLES, WHOLE
from pytti_graph.testing.tiny import NODES

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "test-a-plugin.md").read_text("utf-8")
CODE = " ".join(
    [*re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE), *re.findall(r"`[^`\n]+`", PAGE)]
)


def first_sentence(function):
    """The summary of a docstring."""
    return (function.__doc__ or "").strip().split("\n\n")[0]


def test_every_public_name_is_documented():
    assert sorted(set(testing.__all__) - set(re.findall(r"\w+", CODE))) == []


def test_every_clause_is_documented_with_its_sentence():
    checks = {clause.name: clause.check for clause in CLAUSES} | dict(WHOLE)
    rows = [f"| `{name}` | {' '.join(first_sentence(check).split())} |" for name, check in checks.items()]
    assert [row for row in rows if row not in PAGE] == []
    assert f"a case `{EXAMPLES}` that fails" in " ".join(PAGE.split())


def test_every_tiny_node_is_documented():
    assert [spec_of(made).type for made in NODES if f"`{spec_of(made).type}`" not in PAGE] == []
