"""Executors run the variations of a sweep, each as a task of its own: on this machine, or wherever a plugin can."""

from pytti_graph.executors.local import Local
from pytti_graph.executors.rendering import render_task
from pytti_graph.executors.tasks import Executor, Noted, Outcome, Progressed, Started, Task, TaskEvent

__all__ = ["Executor", "Local", "Noted", "Outcome", "Progressed", "Started", "Task", "TaskEvent", "render_task"]
