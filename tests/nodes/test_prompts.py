"""Scenes: what is meant when, and how much."""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytti_graph import Clock, Moment, Perceptor
from pytti_graph.core.nodes import spec_of
from pytti_graph.core.scenes import parse_scenes
from pytti_graph.nodes.prompts import Scenes, first_moments, scene_shares

DEVICE = SimpleNamespace(torch=torch.device("cpu"), dtype=torch.float32)
FILES = SimpleNamespace(input=Path, picture=Path)
COUNTS = st.integers(1, 6)
LENGTHS = st.integers(1, 60)
FADES = st.floats(0, 80)


class Reader(Perceptor):
    """Embeds a text as its length and first letter; knows no text with an x."""

    size, name, weights = 8, "reader", {}

    def __init__(self):
        self.asked = []

    def encode_images(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=-1)

    def encode_texts(self, texts):
        self.asked.append(list(texts))
        return torch.nn.functional.normalize(torch.tensor([[len(text), ord(text[0]), 1.0] for text in texts]), dim=-1)

    def unfamiliar(self, text):
        return "it has an x" if "x" in text else None


class Notes:
    """Keeps what a node warns of."""

    def __init__(self):
        self.warnings = []

    def warn(self, message, *, argument=None, offset=0):
        self.warnings.append((message, argument, offset))


def made(text, clock=None, fade=0.0):
    """A node, its perceptor, and what it warned of."""
    reader, notes = Reader(), Notes()
    return Scenes([reader], parse_scenes(text), clock or Clock(36), DEVICE, FILES, notes, fade=fade), reader, notes


def values(text, **names):
    """The formulas' values, as the engine gives them."""
    formulas = [part.formula for part in parse_scenes(text).formulas]
    return [formula.compile()(*(names[name] for name in formula.clock_names)) for formula in formulas]


def at(node, text, frame, clock=None, step=0):
    """The prompts of one frame."""
    return node.forward([], values(text), [], Moment(clock or Clock(36), frame, step))


@given(COUNTS, LENGTHS, FADES, st.floats(0, 1))
def test_shares_are_a_mixture(scenes, length, fade, part):
    """At any time they are between 0 and 1 and sum to 1."""
    shares = scene_shares(part * (length - 1), scenes, length, fade)
    assert len(shares) == scenes
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)


@given(COUNTS, LENGTHS, FADES, st.floats(0, 1), st.floats(0, 0.5))
def test_shares_are_continuous(scenes, length, fade, part, later):
    """No share changes faster than 1 / (fade + 1) a frame, for each change of scene under way."""
    now = part * (length - 1)
    before, after = (scene_shares(when, scenes, length, fade) for when in (now, now + later))
    assert all(abs(a - b) <= 2 * later / (fade + 1) + 1e-9 for a, b in zip(before, after, strict=True))


@given(COUNTS, LENGTHS, FADES)
def test_scenes_take_turns(scenes, length, fade):
    """The middle of what is meant begins at the first scene and never moves back."""
    centres = [
        sum(index * share for index, share in enumerate(scene_shares(now, scenes, length, fade)))
        for now in range(length)
    ]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(centres))
    assert centres[0] < 1e-9 or scenes > length


@given(COUNTS, st.integers(1, 12), st.data())
def test_each_scene_is_alone_at_the_end_of_its_hold(scenes, hold, data):
    """If the fade is shorter than the hold, a scene is alone on its last frame, and on the frame its fade has ended."""
    fade = data.draw(st.integers(0, hold - 1))
    for scene in range(scenes):
        alone = [1.0 if index == scene else 0.0 for index in range(scenes)]
        assert scene_shares((scene + 1) * hold - 1, scenes, scenes * hold, fade) == alone
        if scene:
            assert scene_shares(scene * hold + fade, scenes, scenes * hold, fade) == alone


@given(COUNTS, LENGTHS)
def test_scenes_share_frames_equally(scenes, length):
    """Their lengths differ by at most one frame."""
    ends = [*first_moments(scenes, length)[1:], length]
    lengths = [end - first for first, end in zip(first_moments(scenes, length), ends, strict=True)]
    assert sum(lengths) == length
    assert max(lengths) - min(lengths) <= 1


def test_a_fade_is_where_the_documentation_says():
    """36 frames, two scenes, a fade of 6: frames 18 to 23 mix."""
    second = [scene_shares(frame, 2, 36, 6)[1] for frame in range(36)]
    assert second[:18] == [0] * 18
    assert second[18:24] == pytest.approx([k / 7 for k in range(1, 7)])
    assert second[24:] == [1] * 12


def test_a_cut_changes_between_two_frames():
    """Without a fade the new scene is alone from its first frame on."""
    assert [scene_shares(frame, 2, 4, 0) for frame in range(4)] == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_only_scenes_with_a_say_are_given():
    """One scene's texts while it holds, both scenes' while they mix."""
    text = "a | b:2 || c:0.5"
    node, _, _ = made(text, fade=6)
    assert at(node, text, 17).weights.tolist() == [1, 2]
    assert at(node, text, 18).weights.tolist() == pytest.approx([6 / 7, 12 / 7, 0.5 / 7])
    assert at(node, text, 24).weights.tolist() == [0.5]
    assert at(node, text, 18).embeddings.shape == (3, 3)


def test_texts_meet_their_weights_and_stops():
    """Embeddings come in the order of the text, with weights and stops as float32 tensors."""
    text = "aa:1:0.5 | bbbb | cc:-2"
    node, _, _ = made(text)
    prompts = at(node, text, 0)
    assert torch.equal(prompts.embeddings, torch.cat([Reader().encode_texts([word]) for word in ("aa", "bbbb", "cc")]))
    assert prompts.weights.tolist() == [1, 1, -2]
    assert prompts.stops.tolist() == [0.5, -math.inf, -math.inf]
    assert {prompts.embeddings.dtype, prompts.weights.dtype, prompts.stops.dtype} == {torch.float32}


def test_each_text_is_encoded_once_and_on_its_own():
    """However often it is said."""
    _, reader, _ = made("a | b || b | a || c")
    assert reader.asked == [["a"], ["b"], ["c"]]


def test_formulas_change_weights_and_not_shapes():
    """Weights are read anew at each call."""
    text = "a : t | b"
    node, _, _ = made(text)
    moment = Moment(Clock(36), 3)
    first, second = (node.forward([], values(text, t=t), [], moment).weights.tolist() for t in (0.25, 0.75))
    assert (first, second) == ([0.25, 1], [0.75, 1])


def test_nothing_is_copied_while_nothing_changes():
    """During a hold with constant weights the same tensors are given."""
    text = "a || b"
    node, _, _ = made(text)
    assert at(node, text, 3) is at(node, text, 4)


def test_a_single_picture_shares_its_steps():
    """With one frame, scenes and fades are counted in steps."""
    clock, text = Clock(frames=1, steps=10, warmup=20), "a || b"
    node, _, notes = made(text, clock, fade=4)
    weights = [at(node, text, 0, clock, step).weights.tolist() for step in range(20)]
    assert weights[9] == [1]
    assert weights[10] == pytest.approx([4 / 5, 1 / 5])
    assert weights[14] == weights[19] == [1]
    assert notes.warnings == []


def test_a_picture_without_steps_means_the_first_scene():
    """There is nothing to share."""
    clock = Clock(frames=1, steps=0, warmup=0)
    assert at(made("a", clock)[0], "a", 0, clock).weights.tolist() == [1]


def test_unfamiliar_texts_are_warned_about_at_their_place():
    """Once each, in the order of the text."""
    text = "a | box || fox | box"
    _, _, notes = made(text)
    assert [(argument, offset) for _, argument, offset in notes.warnings] == [("scenes", 4), ("scenes", 11)]
    assert notes.warnings[0][0] == "reader may not understand 'box': it has an x"


def test_masks_that_let_nothing_through_are_warned_about_at_their_place(tmp_path, monkeypatch):
    """White paint on black is easily confused with black paint on white."""
    Image.new("L", (13, 7)).save(tmp_path / "m.png")
    monkeypatch.chdir(tmp_path)
    _, _, notes = made("a | b:1_[m.png] || c:1_[-m.png]")
    words = "nothing in m.png is white, so the prompt pulls nowhere; is [-m.png] meant?"
    assert notes.warnings[0] == (words, "scenes", 8)
    assert len(notes.warnings) == 1


@pytest.mark.parametrize(
    ("text", "clock", "fade", "words"),
    [
        ("a || b", Clock(8), 4, "never seen alone"),
        ("a || b || c", Clock(2), 0, "3 scenes and only 2 frames"),
        ("a || b", Clock(1, steps=6, warmup=6), 9, "3 steps"),
    ],
)
def test_scenes_that_are_never_alone_are_warned_about(text, clock, fade, words):
    """Too long a fade, or too few frames."""
    _, _, notes = made(text, clock, fade)
    assert words in notes.warnings[0][0]


def test_the_schema():
    """Texts are read by the prompts' own parser; it follows the film's time."""
    spec = spec_of(Scenes)
    assert spec.rate == "timeline"
    assert spec.parameter("scenes").type.parser == "pytti_graph.core.scenes:parse_scenes"
    assert [parameter.name for parameter in spec.parameters] == ["perceptor", "scenes", "prefix", "suffix", "fade"]
    assert all(parameter.help for parameter in spec.parameters)
