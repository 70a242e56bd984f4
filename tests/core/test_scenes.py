import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.scenes import parse_scenes


def read(text, **options):
    """Prompts as (text, weight, stop), formulas that vary by their source."""
    scenes = parse_scenes(text, **options)

    def shown(index):
        formula = scenes.formulas[index].formula
        return formula.source if formula.value is None else formula.value

    return [[(prompt.text, shown(prompt.weight), shown(prompt.stop)) for prompt in scene] for scene in scenes.scenes]


def error_of(text):
    with pytest.raises(TextSyntaxError) as caught:
        parse_scenes(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a volcano", [[("a volcano", 1, -math.inf)]]),
        (
            "a volcano | a geyser:0.3 || a castle on a hill",
            [[("a volcano", 1, -math.inf), ("a geyser", 0.3, -math.inf)], [("a castle on a hill", 1, -math.inf)]],
        ),
        ("a:-1:-0.5", [[("a", -1, -0.5)]]),
        ("a : 2 * sin(t) : 0.1", [[("a", "2 * sin(t)", 0.1)]]),
        ("a: bass_low.level_now", [[("a", "bass_low.level_now", -math.inf)]]),
        ("a:10*f_lo", [[("a", "10*f_lo", -math.inf)]]),
        ("a:0.5 + x_2:previous(x_2, 0)|b", [[("a", "0.5 + x_2", "previous(x_2, 0)"), ("b", 1, -math.inf)]]),
        ("a:1 if t < 2 else 0", [[("a", "1 if t < 2 else 0", -math.inf)]]),
        ("blade runner 2049:2", [[("blade runner 2049", 2, -math.inf)]]),
        ("apollo 12 : 30", [[("apollo 12", 30, -math.inf)]]),
        ("a [colon: inside] text:2", [[("a [colon: inside] text", 2, -math.inf)]]),
        ('"12:30 pm | late":2 | "b"', [[("12:30 pm | late", 2, -math.inf), ("b", 1, -math.inf)]]),
        (r'"say \"hi\" \\ \n"', [[(r'say "hi" \ \n', 1, -math.inf)]]),
        (r"a \| b \: c \[ \d:2", [[(r"a | b : c [ \d", 2, -math.inf)]]),
        ('a sign that says "open":2', [[('a sign that says "open"', 2, -math.inf)]]),
        ('a 12" record | a 7" single', [[('a 12" record', 1, -math.inf), ('a 7" single', 1, -math.inf)]]),
        ("a\n  volcano:\n 2\n||\nb\n", [[("a volcano", 2, -math.inf)], [("b", 1, -math.inf)]]),
        ("größe ü 山:0.5", [[("größe ü 山", 0.5, -math.inf)]]),
    ],
)
def test_scenes(text, expected):
    """Scenes, prompts, weights and stops are what the text says."""
    assert read(text) == expected


def test_offsets_and_formulas():
    """Prompts and formulas know where they stand; defaults are shared."""
    text = "  a volcano | smoke: 2*t :x.y || b"
    scenes = parse_scenes(text)
    prompts = [prompt for scene in scenes.scenes for prompt in scene]
    assert [text[prompt.offset :].split()[0] for prompt in prompts] == ["a", "smoke:", "b"]
    assert [text[part.offset :].startswith(part.formula.source) for part in scenes.formulas].count(True) == 2
    assert [part.formula.source for part in scenes.formulas] == ["1", "-inf", "2*t", "x.y"]
    assert (prompts[0].weight, prompts[0].stop) == (prompts[2].weight, prompts[2].stop) == (0, 1)
    assert scenes.formulas[2].offset == text.index("2*t")


def test_texts_are_distinct():
    """A text that returns is encoded once."""
    assert parse_scenes("a | b:2 || b:t | c | a").texts == ("a", "b", "c")


def test_variables():
    """Weights know the graph's variables."""
    assert read("a:speed/2", variables={"speed": 3}) == [[("a", 1.5, -math.inf)]]


@pytest.mark.parametrize(
    ("text", "offset", "message", "hint"),
    [
        ("", 0, "no prompts", None),
        ("  \n", 0, "no prompts", None),
        ("a || || b", 4, "empty", "'|'"),
        ("a | ", 3, "empty", "'|'"),
        (" | a", 0, "empty", "'|'"),
        ("a ||", 4, "empty", "'|'"),
        ('"" | a', 0, "empty", "quotes"),
        (":2", 0, "text before ':'", "text:weight"),
        ("a:", 1, "missing after ':'", "text:weight"),
        ("a::2", 1, "missing after ':'", None),
        ("a:1:", 3, "missing after ':'", None),
        ("a:1:2:3", 5, "only text:weight:stop", '"a:1:2:3"'),
        ("b | 12:30 pm", 10, "'30 pm' is not a formula", '"12:30 pm"'),
        ("at 12:30", 5, "'12:30' could be a time", '"at 12:30"'),
        ("at 12:30:15 | b", 5, "'12:30:15' could be a time", "spaces around"),
        ("Alien: the film", 11, "'the film' is not a formula", '"Alien: the film"'),
        ("x:2t", 3, "2*t", '"x:2t"'),
        ("x:sine(t)", 2, "did you mean 'sin'", None),
        ("http://a.b/c", 5, "not a formula", None),
        ("a:1/0", 2, "division by zero", None),
        ('"a', 0, "not closed", '\\"'),
        ('"a" b', 4, "after its closing quote", None),
        ("a [b", 2, "'[' is not closed", "\\["),
        ("a [b|c]", 2, "'[' is not closed", "\\["),
        ("[picture.png]:2", 0, "not supported yet", None),
        ("a:1_left", 2, "masks are not supported yet", "a volcano:0.5"),
        ("a:(t)_r_0.5", 2, "masks are not supported yet", None),
        ("a:1_[mask.png]", 2, "masks are not supported yet", None),
    ],
)
def test_bad_scenes(text, offset, message, hint):
    """What cannot be read is refused at its character, with what to write instead."""
    error = error_of(text)
    assert error.offset == offset
    assert message in error.message
    assert hint is None or hint in error.hint


parts = st.sampled_from([*'ab12:|"[]\\ .*', "||", "sin(t)", "12:30", "_r"])


@given(st.text(max_size=40) | st.lists(parts, max_size=25).map("".join))
def test_any_text_is_read_or_refused(text):
    """No text makes anything but `TextSyntaxError` come out; what is read has a text in every prompt."""
    try:
        scenes = parse_scenes(text)
    except TextSyntaxError as error:
        offsets = [error.offset]
    else:
        prompts = [prompt for scene in scenes.scenes for prompt in scene]
        offsets = [part.offset for part in (*prompts, *scenes.formulas)]
        assert all(prompt.text.strip() for prompt in prompts)
        assert {index for prompt in prompts for index in (prompt.weight, prompt.stop)} == set(
            range(len(scenes.formulas))
        )
    assert 0 <= min(offsets) <= max(offsets) <= len(text)


@given(st.lists(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4), min_size=1, max_size=4))
def test_quoted_texts_come_back(scenes):
    """Any text can be written in quotes."""

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '": 2'

    written = "||".join("|".join(map(quoted, scene)) for scene in scenes)
    assert [[prompt[0] for prompt in scene] for scene in read(written)] == scenes
