"""The executor `ray`: sweeps of pytti-graph on a Ray cluster."""

from pytti_graph import RegisterNamed, hookimpl

pytti_graph_api = 1


@hookimpl
def pytti_graph_executors(register: RegisterNamed) -> None:
    """Offer the executor by name; Ray is imported in a process of its own, when a sweep begins."""
    register("ray", "pytti_graph_ray.executor:Ray")
