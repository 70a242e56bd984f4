"""The contract kit: tries nodes, and says in plain words what is wrong and how to mend it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytti_graph.core.errors import UsageError, did_you_mean
from pytti_graph.testing.arguments import Examples, UnmadeError
from pytti_graph.testing.clauses import CLAUSES, Clause, light, usable
from pytti_graph.testing.clauses.clause import first_line, place_of
from pytti_graph.testing.subjects import NodeOrDistribution, Subject, subjects

WHOLE: Mapping[str, Callable[[str], Iterator[str]]] = {"plugin": usable, "imports": light}
"""Clauses about a distribution as a whole."""
EXAMPLES = "examples"
"""In the place of the clauses that run a node, where nothing can be made up for an argument."""

Allowed = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a node promises and does not keep.

    Attributes:
        node: Its type, or the distribution if the clause is about that.
        clause: Name of the clause.
        message: What is wrong, and what to write instead.
        source: Where the node is written, as "file:line".
    """

    node: str
    clause: str
    message: str
    source: str

    def __str__(self) -> str:
        place = f"\n  {self.source}" if self.source else ""
        return f"{self.node} ({self.clause}): {self.message}{place}"


@dataclass(frozen=True)
class Case:
    """One clause for one node, or for a distribution.

    Attributes:
        node: Its type, or the distribution's name.
        clause: Name of the clause.
        find: Finds what is wrong.
    """

    node: str
    clause: str
    find: Callable[[], Iterable[Violation]]

    def __str__(self) -> str:
        return f"{self.node}-{self.clause}"


def violations(
    *nodes: NodeOrDistribution, examples: Examples | None = None, allowed: Allowed | None = None
) -> list[Violation]:
    """Try the whole contract, without pytest.

    Args:
        nodes: Decorated functions or classes, or names of installed distributions for all of their nodes.
        examples: For node types, arguments that the kit cannot make up, as a graph file gives them.
        allowed: For node types, names of clauses that do not hold on purpose.

    Returns:
        All that is wrong; nothing is wrong with a good node.

    Raises:
        UsageError: A distribution is not installed or offers no nodes, or an example or a clause is for nothing.
        TypeError: Something is neither a node nor a name.
    """
    return [violation for case in cases(nodes, examples, allowed) for violation in case.find()]


def contract(
    *nodes: NodeOrDistribution, examples: Examples | None = None, allowed: Allowed | None = None
) -> Callable[..., None]:
    """Make a test for pytest, with one case for each node and clause.

    Write `test_contract = contract("pytti-graph-strokes")` in a test module.

    Args:
        nodes: Decorated functions or classes, or names of installed distributions for all of their nodes.
        examples: For node types, arguments that the kit cannot make up, as a graph file gives them.
        allowed: For node types, names of clauses that do not hold on purpose, such as "gradients" for a node that
            lets gradients pass where its value does not change. They are not tried.

    Raises:
        UsageError: A distribution is not installed or offers no nodes, or an example or a clause is for nothing.
        TypeError: Something is neither a node nor a name.
    """
    import pytest

    @pytest.mark.parametrize("case", cases(nodes, examples, allowed), ids=str)
    def test_contract(case: Case) -> None:
        """A node keeps what every node promises."""
        if found := list(case.find()):
            pytest.fail("\n".join(map(str, found)), pytrace=False)

    return test_contract


def cases(nodes: Sequence[NodeOrDistribution], examples: Examples | None, allowed: Allowed | None) -> list[Case]:
    """Every clause that means something, for every node and distribution."""
    allowed = allowed or {}
    found = subjects(nodes, examples or {})
    _check_allowed(allowed, found)
    made = [case for subject in found for case in _cases(subject) if case.clause not in allowed.get(subject.name, ())]
    names = [name for name in nodes if isinstance(name, str)]
    return made + [_about(name, clause, check) for name in names for clause, check in WHOLE.items()]


def _check_allowed(allowed: Allowed, found: Sequence[Subject]) -> None:
    names = [clause.name for clause in CLAUSES]
    for type, clauses in allowed.items():
        if type not in (types := [subject.name for subject in found]):
            raise UsageError(f"allowed names '{type}', which is not tried", hint=did_you_mean(type, types))
        if strangers := [clause for clause in clauses if clause not in names]:
            raise UsageError(
                f"there is no clause '{strangers[0]}'", hint=f"the clauses of a node are {', '.join(names)}"
            )


def _cases(subject: Subject) -> Iterator[Case]:
    try:
        subject.layout()
        makeable = True
    except UnmadeError as error:
        makeable, message = False, error.message
        yield Case(subject.name, EXAMPLES, lambda: [_violation(subject, EXAMPLES, message)])
    for clause in CLAUSES:
        if clause.applies(subject.spec) and (makeable or not clause.runs):
            yield Case(subject.name, clause.name, _finder(subject, clause))


def _finder(subject: Subject, clause: Clause) -> Callable[[], Iterator[Violation]]:
    return lambda: _find(subject, clause)


def _find(subject: Subject, clause: Clause) -> Iterator[Violation]:
    with tempfile.TemporaryDirectory(prefix="pytti-graph-contract-") as folder:
        try:
            for message in clause.check(subject, Path(folder)):
                yield _violation(subject, clause.name, message)
        except Exception as error:
            message = f"it raises {first_line(error)} ({place_of(error)})"
            yield _violation(subject, clause.name, message)


def _violation(subject: Subject, clause: str, message: str) -> Violation:
    return Violation(subject.name, clause, message, subject.source)


def _about(distribution: str, clause: str, check: Callable[[str], Iterator[str]]) -> Case:
    return Case(
        distribution, clause, lambda: (Violation(distribution, clause, message, "") for message in check(distribution))
    )
