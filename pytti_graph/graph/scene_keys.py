"""Reads scenes of prompts that are written with keys, and writes them in the language of prompts.

The scenes are a list. A scene is a prompt, or a mapping with a list of `prompts`. A prompt is a text, taken as it is,
or a mapping with `text`, `picture` or `video` and what else the language has: `weight`, `stop`, `mask`, `cutoff`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytti_graph.core.addresses import VIDEOS, is_address, is_file
from pytti_graph.core.arguments import NumberType
from pytti_graph.core.errors import did_you_mean
from pytti_graph.core.scene_masks import WORDS, file_kind
from pytti_graph.core.scene_text import quoted
from pytti_graph.graph import binding
from pytti_graph.graph.composed import Composed
from pytti_graph.graph.problems import BindingError
from pytti_graph.graph.values import Entry, Value

Variables = Mapping[str, float | str]

_MASK_HINT = "write a word, {picture: FILE}, {video: FILE} or {text: ...}"
_KINDS = ("text", "picture", "video")

_SCENE, _PROMPT, _PICTURE, _TEXT = (
    ("prompts",),
    (*_KINDS, "weight", "stop", "mask", "cutoff"),
    ("picture", "video", "inverted"),
    ("text",),
)


def write_scenes(value: Value, variables: Variables) -> Composed:
    """Scenes written with keys, in the language of prompts.

    Raises:
        BindingError: A key is not known, or a value is not of its kind.
    """
    writer = _Writer(variables)
    for index, scene in enumerate(_items(value, "scenes")):
        writer.add("||" if index else "", scene)
        writer.scene(scene)
    return writer.composed


def _items(value: Value, what: str) -> Sequence[Value]:
    if not isinstance(value.data, tuple):
        raise BindingError(f"expected a list of {what}", value.position, "write one a line, each after '- '")
    if not value.data:
        raise BindingError(f"there are no {what}", value.position, "write a text, such as a volcano at night")
    return value.data


def _entries(value: Value, known: Sequence[str], what: str) -> dict[str, Entry]:
    assert isinstance(value.data, dict)
    for entry in value.data.values():
        if entry.key not in known:
            hint = did_you_mean(entry.key, known) or f"it has {', '.join(known)}; a text with ':' is written in quotes"
            raise BindingError(f"unknown key '{entry.key}' of {what}", entry.position, hint)
    return value.data


class _Writer:
    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.composed = Composed()

    def add(self, text: str, value: Value) -> None:
        """Punctuation, which stands where the value begins."""
        self.composed.add(text, lambda offset: value.position)

    def scene(self, scene: Value) -> None:
        prompts: Sequence[Value] = (scene,)
        if isinstance(scene.data, dict) and not scene.data.keys() & _KINDS:
            entries = _entries(scene, _SCENE, "a scene")
            if "prompts" not in entries:
                raise BindingError("a scene needs prompts", scene.position, "write 'prompts: [...]'")
            prompts = _items(entries["prompts"].value, "prompts")
        for index, prompt in enumerate(prompts):
            self.add("|" if index else "", prompt)
            self.prompt(prompt)

    def prompt(self, prompt: Value) -> None:
        if not isinstance(prompt.data, dict):
            self.bare(prompt)
            return
        entries = _entries(prompt, _PROMPT, "a prompt")
        given = [kind for kind in _KINDS if kind in entries]
        if len(given) != 1:
            hint = "write 'text: ...', 'picture: FILE' or 'video: FILE'"
            raise BindingError("a prompt is a text, a picture or a video", prompt.position, hint)
        if "text" in entries:
            self.text(entries["text"].value)
        else:
            self.file(entries[given[0]], "[")
        self.add(":", prompt)
        self.number(entries.get("weight"), prompt)
        self.mask(entries)
        if "stop" in entries:
            self.add(":", prompt)
            self.number(entries["stop"], prompt)

    def bare(self, value: Value) -> None:
        """A text without a key, which is not the name of a file."""
        written = binding.text(value, self.variables).strip()
        name = written[1:-1].strip() if written.startswith("[") and written.endswith("]") else written
        if is_file(name) or is_address(name):
            kind = file_kind(name)
            hint = f"for a {kind}, write {{{kind}: {name}}}; for the text, {{text: ...}}"
            raise BindingError(f"'{written}' reads like the name of a {kind}", value.position, hint)
        self.text(value)

    def text(self, value: Value) -> None:
        """A text in quotes."""
        self.add(quoted(binding.text(value, self.variables)), value)

    def number(self, entry: Entry | None, beside: Value) -> None:
        """A formula in brackets, 1 if it is not given."""
        if entry is None:
            self.add("1", beside)
            return
        formula, at = binding.formula_text(NumberType(), entry.value, self.variables)
        self.add("(", entry.value)
        self.composed.add(formula, at)
        self.add(")", entry.value)

    def mask(self, entries: Mapping[str, Entry]) -> None:
        cutoff, entry = entries.get("cutoff"), entries.get("mask")
        if entry is None:
            if cutoff is not None:
                raise BindingError("a cutoff belongs to a mask", cutoff.position, "add 'mask: ...'")
            return
        value = entry.value
        self.add("_", value)
        if isinstance(value.data, dict) and "text" in value.data:
            self.text(_entries(value, _TEXT, "a mask")["text"].value)
            if cutoff is None:
                raise BindingError("a mask that is a text needs a cutoff", value.position, "add 'cutoff: 0.8'")
        elif isinstance(value.data, dict):
            self.masked_by(value)
        elif isinstance(value.data, str) and value.data in WORDS:
            self.add(value.data, value)
        else:
            hint = (did_you_mean(value.data, WORDS) if isinstance(value.data, str) else None) or _MASK_HINT
            raise BindingError(f"a mask is one of {', '.join(WORDS)}", value.position, hint)
        if cutoff is not None:
            self.add("_", cutoff.value)
            self.number(cutoff, cutoff.value)

    def masked_by(self, mask: Value) -> None:
        entries = _entries(mask, _PICTURE, "a mask")
        given = [kind for kind in _KINDS if kind in entries]
        if len(given) != 1:
            raise BindingError("a mask needs a picture, a video or a text", mask.position, _MASK_HINT)
        inverted = entries.get("inverted")
        if inverted is not None and not isinstance(inverted.value.data, bool):
            raise BindingError("inverted is true or false", inverted.value.position)
        self.file(entries[given[0]], "[-" if inverted is not None and inverted.value.data else "[")

    def file(self, entry: Entry, bracket: str) -> None:
        """A path in brackets."""
        file = entry.value
        path = binding.text(file, self.variables)
        if "]" in path or path.startswith("-"):
            message = f"the name of a {entry.key} in a prompt must not begin with '-' or hold ']'"
            raise BindingError(message, file.position, "give the file another name")
        if entry.key == "video" and is_address(path):
            raise BindingError("videos are not read from the network", file.position, "save it beside the graph")
        if (kind := file_kind(path.strip())) != entry.key:
            what = f"videos end in {', '.join(VIDEOS)}" if entry.key == "video" else f"write 'video: {path}'"
            raise BindingError(f"'{path}' is the name of a {kind}, not of a {entry.key}", file.position, what)
        self.add(bracket, file)
        self.composed.add(path, file.at)
        self.add("]", file)
