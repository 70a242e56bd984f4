import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.core.scenes import parse_prefix, parse_scenes, parse_suffix, with_affixes


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


TEXTS = [("photo.png", 1, -math.inf), ("[b.png] c", 1, -math.inf)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a volcano", [[("a volcano", 1, -math.inf)]]),
        (
            "a volcano | a geyser:0.3 || a castle on a hill",
            [[("a volcano", 1, -math.inf), ("a geyser", 0.3, -math.inf)], [("a castle on a hill", 1, -math.inf)]],
        ),
        ("a:-1:-0.5", [[("a", -1, -0.5)]]),
        ("a:1:0.5 | b:t:-0.5", [[("a", 1, 0.5), ("b", "t", -0.5)]]),
        ("a : 2 * sin(t) : 0.1", [[("a", "2 * sin(t)", 0.1)]]),
        ("a: bass_low.level_now", [[("a", "bass_low.level_now", -math.inf)]]),
        ("a:10*f_lo", [[("a", "10*f_lo", -math.inf)]]),
        ("a:0.5 + x_2:previous(x_2, 0)|b", [[("a", "0.5 + x_2", "previous(x_2, 0)"), ("b", 1, -math.inf)]]),
        ("a:1 if t < 2 else 0", [[("a", "1 if t < 2 else 0", -math.inf)]]),
        ("a:1:4.9 | b:-1:-4.9", [[("a", 1, 4.9), ("b", -1, -4.9)]]),
        ("blade runner 2049:2", [[("blade runner 2049", 2, -math.inf)]]),
        ("apollo 12 : 30", [[("apollo 12", 30, -math.inf)]]),
        ("apollo 12:0.5", [[("apollo 12", 0.5, -math.inf)]]),
        ("mp3:2 | version 1.5:2", [[("mp3", 2, -math.inf), ("version 1.5", 2, -math.inf)]]),
        ('"at 12:30":2 | "photo.png" | "[b.png] c"', [[("at 12:30", 2, -math.inf), *TEXTS]]),
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


@pytest.mark.parametrize(
    ("field", "weight", "mask"),
    [
        ("1_l", 1, ("left", "", False, None)),
        ("0.5_right", 0.5, ("right", "", False, None)),
        ("1e5_u_0.25", 1e5, ("up", "", False, 0.25)),
        ("2. _d_ t/2", 2, ("down", "", False, "t/2")),
        ("10*f_lo", "10*f_lo", None),
        ("10*f_lo_l", "10*f_lo_l", None),
        ("10*f_lo _l", "10*f_lo", ("left", "", False, None)),
        ("(10*f_lo)_n_f_hi", "(10*f_lo)", ("near", "", False, "f_hi")),
        ("sin(t)_far", "sin(t)", ("far", "", False, None)),
        ("bass_1.level_now _l", "bass_1.level_now", ("left", "", False, None)),
        ("2*_l", "2*_l", None),
        ("1 if _l else _r", "1 if _l else _r", None),
        ("1 if _l else 2_r", "1 if _l else 2", ("right", "", False, None)),
        ("1_a", 1, None),
        ("1_all", 1, None),
        ("1_[sky.png]", 1, ("picture", "sky.png", False, None)),
        ("1 _ [ - dir/night_sky: 2.png ] ", 1, ("picture", "dir/night_sky: 2.png", True, None)),
        ("1_[dir/a_b.MP4]", 1, ("video", "dir/a_b.MP4", False, None)),
        ("1_[-dance.webm]", 1, ("video", "dance.webm", True, None)),
        ("1_[-https://a.b/c_d.png?e=f:1]", 1, ("picture", "https://a.b/c_d.png?e=f:1", True, None)),
        ("1_[https://a.b/c.gif]", 1, ("picture", "https://a.b/c.gif", False, None)),
        ("1_the  sky_0.8", 1, ("text", "the sky", False, 0.8)),
        ("1_sky_f_lo", 1, ("text", "sky", False, "f_lo")),
        ('1_"left | a_b: 2"_1-f_lo', 1, ("text", "left | a_b: 2", False, "1-f_lo")),
    ],
)
def test_masks_are_told_from_formulas(field, weight, mask):
    """Where the formula has ended, an underscore begins a mask; names are never cut."""
    scenes = parse_scenes(f"b | a: {field} :0.5 | c")

    def shown(index):
        formula = scenes.formulas[index].formula
        return formula.source if formula.value is None else formula.value

    prompt = scenes.scenes[0][1]
    found = prompt.mask
    assert shown(prompt.weight) == weight
    assert shown(prompt.stop) == 0.5
    cutoff = found and found.cutoff is not None and shown(found.cutoff)
    assert (found and (found.kind, found.text, found.inverted, cutoff or None)) == mask


def test_files_know_where_they_stand():
    """The pictures of masks are listed, for the checks."""
    text = "a:1_[ m.png ] || b:1_[-m.png]"
    scenes = parse_scenes(text)
    assert [(file.path, text[file.offset :][:5]) for file in scenes.files] == [("m.png", "m.png")] * 2
    assert [file.offset for file in scenes.files] == [text.index("m.png"), text.rindex("m.png")]


def test_pictures():
    """A text wholly in brackets is a file; brackets within a text are text."""
    text = "[ dir/a photo: 2.png ]:2_l:0.5 | a [b] | [a] and [b] || [c.png]"
    scenes = parse_scenes(text)
    prompts = [prompt for scene in scenes.scenes for prompt in scene]
    assert [(prompt.text, prompt.picture) for prompt in prompts] == [
        ("dir/a photo: 2.png", True),
        ("a [b]", False),
        ("[a] and [b]", False),
        ("c.png", True),
    ]
    assert [text[file.offset :].startswith(file.path) for file in scenes.files] == [True, True]
    assert scenes.texts == ("a [b]", "[a] and [b]")
    assert prompts[0].mask.kind == "left"


def test_videos_and_addresses():
    """Told from other pictures by how they end, or begin; colons in addresses split nothing."""
    scenes = parse_scenes("[dance.mov]:2 | [https://a.b:80/c.png]:0.5:0.1 | [a.gif] | [HTTP://a.b/c.gif]")
    prompts = scenes.scenes[0]
    assert [prompt.text for prompt in prompts] == ["dance.mov", "https://a.b:80/c.png", "a.gif", "HTTP://a.b/c.gif"]
    assert [prompt.video for prompt in prompts] == [True, False, True, False]
    assert all(prompt.picture for prompt in prompts)
    assert [file.web for file in scenes.files] == [True] * 4


def test_nothing_is_added_to_a_picture():
    """It has no text to go on."""
    [[picture, text]] = with_affixes(parse_prefix("big"), parse_scenes("[a.png] | b"), parse_suffix("x"))
    assert (picture.text, text.text) == ("a.png", "b x")


def joined(prefix, scenes, suffix):
    """What is said, as (text, weight, stop, argument) by scene."""
    parsed = parse_prefix(prefix), parse_scenes(scenes), parse_suffix(suffix)
    formulas = [part.formula for affix in parsed for part in affix.formulas]
    return [
        [(p.text, formulas[p.weight].value, formulas[p.stop].value, p.argument) for p in scene]
        for scene in with_affixes(*parsed)
    ]


def test_prefix_and_suffix_go_with_every_scene():
    """Text goes on the nearest prompt of the scene, whatever its weight; the rest are prompts."""
    found = joined("an oil painting:0.5 | a photo of", 'a:2 | b || "c | d":3', ", by night | text:-1:-0.9")
    inf = -math.inf
    first, last = ("an oil painting", 0.5, inf, "prefix"), ("text", -1, -0.9, "suffix")
    assert found == [
        [first, ("a photo of a", 2, inf, "scenes"), ("b, by night", 1, inf, "scenes"), last],
        [first, ("a photo of c | d, by night", 3, inf, "scenes"), last],
    ]


def test_prefix_and_suffix_may_be_whole_prompts_only():
    """Nothing then goes on a prompt of the scene."""
    inf = -math.inf
    assert joined("x |", "a:1_l_0.3", " | y:1_r_0.7")[0] == [
        ("x", 1, inf, "prefix"),
        ("a", 1, inf, "scenes"),
        ("y", 1, inf, "suffix"),
    ]
    parsed = parse_prefix("x:2 |"), parse_scenes("a:1_l_0.3"), parse_suffix(" | y:1_r_0.7")
    formulas = [part.formula.value for affix in parsed for part in affix.formulas]
    assert [p.mask and formulas[p.mask.cutoff] for p in with_affixes(*parsed)[0]] == [None, 0.3, 0.7]


def test_without_prefix_and_suffix_scenes_are_as_they_are():
    """Empty ones add nothing."""
    scenes = parse_scenes("a:2_l_0.4 | b || c:t")
    assert with_affixes(parse_prefix(""), scenes, parse_suffix("  ")) == scenes.scenes


@pytest.mark.parametrize(
    ("parse", "text", "offset", "message"),
    [
        (parse_prefix, "a || b", 2, "a prefix is added to every scene"),
        (parse_suffix, ", a || b", 4, "a suffix is added to every scene"),
        (parse_prefix, "a photo of:2", 10, "what the prefix adds to a prompt has no weight"),
        (parse_suffix, ", moody:2 | b", 7, "what the suffix adds to a prompt has no weight"),
        (parse_suffix, " | b | ", 6, "a prompt is empty"),
        (parse_suffix, " [a.png] | b", 1, "the suffix adds a picture to a text"),
        (parse_prefix, "a:b b | c", 4, "'b b' is not a formula"),
    ],
)
def test_bad_prefix_and_suffix(parse, text, offset, message):
    """They are refused at their character."""
    with pytest.raises(TextSyntaxError) as caught:
        parse(text)
    assert caught.value.offset == offset
    assert message in caught.value.message


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
        ("b | 12:30 pm", 6, "'12:30' could be a time", '"12:30 pm"'),
        ("meet at 12:30:2", 10, "'12:30:2' could be a time", '"meet at 12:30:2"'),
        ("a train at 9:15:0.5", 12, "'9:15' could be a time", '"a train at 9:15"; if it is a weight'),
        ("at 12:30_l", 5, "'12:30' could be a time", '"at 12:30"; if it is a weight'),
        ("at 12:30.", 5, "'12:30' could be a time", '"at 12:30."'),
        ("12:30 - 14:00", 2, "'12:30' could be a time", '"12:30 - 14:00"'),
        ("a film in 16:9", 12, "'16:9' could be a time, a ratio or a weight", "spaces around"),
        ("at 12:30", 5, "'12:30' could be a time", '"at 12:30"'),
        ("at 12:30:15 | b", 5, "'12:30:15' could be a time", "spaces around"),
        ("Alien: the film", 11, "'the film' is not a formula", '"Alien: the film"'),
        ("x:2t", 3, "2*t", '"x:2t"'),
        ("x:sine(t)", 2, "did you mean 'sin'", None),
        (
            "http://a.b/c",
            0,
            "the address http://a.b/c stands without brackets",
            "write [http://a.b/c], and add --allow",
        ),
        ("b | https://a.b:8/C:d.png:2:0.1", 4, "https://a.b:8/C:d.png stands", 'quotes: "https://a.b:8/C:d.png:2:0.1"'),
        ("a:2|https://a.b/c.png?x:t_l", 4, "https://a.b/c.png?x:t_l stands", None),
        ("like https://a.b/c.png", 5, "https://a.b/c.png stands without brackets", '"like https://a.b/c.png"'),
        ("ftp://a.b/c.png:2", 0, "'ftp://a.b/c.png' is not an http or https address", "save it beside the graph"),
        ("https://a.b/c.mp4", 0, "videos are not read from the network", "save it"),
        ("a:1/0", 2, "division by zero", None),
        ('"a', 0, "not closed", '\\"'),
        ('"a" b', 4, "after its closing quote", None),
        ("a [b", 2, "'[' is not closed", "\\["),
        ("a [b|c]", 2, "'[' is not closed", "\\["),
        ("photo.png]", 9, "']' has no '[' before it", "\\]"),
        ("a] b | [photo.png]", 1, "']' has no '[' before it", None),
        (
            "volcano:1.2, castle:0.5",
            11,
            "is not a formula: unexpected ','",
            "prompts are separated by '|', not by commas",
        ),
        ("a:0.5,", 5, "is not a formula: unexpected ','", "prompts are separated by '|'"),
        ("a:0,5", 3, "unexpected ',' (write decimals with a point: 0.5)", None),
        ("[]:2", 1, "there is no file", "[photo.png]"),
        ("[ftp://a.b/c.png]:2", 1, "is not an http or https address", "save it beside the graph"),
        ("[file:///etc/passwd]:2", 1, "is not an http or https address", None),
        ("[data:image/png;base64,aa]", 1, "is not an http or https address", None),
        ("[https:a.png]", 1, "is not a whole address", "https://host/picture.png"),
        ("[https:///a.png]", 1, "is not a whole address", None),
        ("[http://a.b:c/d.png]", 1, "is not a whole address", None),
        ("[http://[a/d.png]", 1, "is not a whole address", None),
        ("[http://a.b/c d.png]", 1, "has a space in it", "%20"),
        ("[http://a.b/c.mp4?d=e]", 1, "videos are not read from the network", "save it"),
        ("b | [ /a.png ]", 6, "is an absolute path", None),
        ("[/film.webm]", 1, "is an absolute path", None),
        ("[ .mp4", 0, "'[' is not closed", None),
        ("photo.png:1_l", 0, "'photo.png' reads like the name of a picture", "for a picture, write [photo.png]"),
        ("b | my photo.JPG", 4, "'my photo.JPG' reads like the name of a picture", "for the text, write it in quotes"),
        ("clip.mp4:2", 0, "'clip.mp4' reads like the name of a video", "for a video, write [clip.mp4]"),
        ("[photo.png] a castle:2", 0, "the picture [photo.png] has text beside it", "a prompt of its own"),
        ("a castle [ clip.mp4 ]", 9, "the video [ clip.mp4 ] has text beside it", '"a castle [ clip.mp4 ]"'),
        ("[https://a.b/c] d", 0, "the picture [https://a.b/c] has text beside it", None),
        ("a:1_sky.png", 4, "'sky.png' is the name of a picture", "1_[sky.png]"),
        ("a:inf", 2, "the weight inf has no end", None),
        ("a:1:9", 4, "with the stop 9 nothing is pulled", "no distance is larger than 4.93"),
        ("a:1:inf", 4, "with the stop inf nothing is pulled", None),
        ("a:t:inf", 4, "with the stop inf nothing is pulled", None),
        ("a:-1:-9", 5, "the stop -9 is never reached", "such as -1.2"),
        ("a:-1:9", 5, "with the stop 9 nothing is pushed away", "such as -1.2"),
        ("a:t:-9", 4, "the stop -9 is never reached", "no distance is larger than 4.93"),
        ("a:1_l_30", 6, "between 0 and 1, not 30", "such as 0.3"),
        ("a:1_d_-1", 6, "between 0 and 1, not -1", "such as 0.5"),
        ("a:1_n_1.5", 6, "between 0 and 1, not 1.5", "such as 0.5"),
        ("a:1_sky_80", 8, "between 0 and 4.93, not 80", "a distance, such as 0.8"),
        ("a:1:-0.2", 4, "the stop -0.2 is never reached", "a positive weight stops at a distance"),
        ("a:-1:1.2", 5, "with the stop 1.2 nothing is pushed away", "such as -1.2"),
        ("a:-1:0", 5, "nothing is pushed away", "such as -1.2"),
        ("a:1_", 3, "a mask is missing after '_'", "a, l, r"),
        ("a:1_letf", 4, "'letf' is not a mask", "did you mean 'left'?"),
        ("a:1_L", 4, "'L' is not a mask", "write it in small letters: l"),
        ("a:1_a blue sky", 4, "'a blue sky' is not a mask", "1_sky_0.8"),
        ("a:1_sky_", 7, "a cutoff is missing after '_'", "1_left_0.3"),
        ("a:1_sky_0.8 m", 12, "'0.8 m' is not a formula", None),
        ("a:1_all_0.3", 8, "'all' has no cutoff", None),
        ("a:1_[m.png]_0.3", 12, "a mask that is a picture has no cutoff", "leave it out"),
        ("a:1_[m.png] l", 12, "unexpected text after a mask", None),
        ("a:1_[m.png", 4, "'[' is not closed", None),
        ("a:1_[]", 5, "there is no file", "[mask.png]"),
        ("a:1_[-]", 6, "there is no file", "[mask.png]"),
        ("a:1_[m.mp4]_0.3", 12, "a mask that is a video has no cutoff", "leave it out"),
        ("a:1_[-gs://a.b/c.png]", 6, "is not an http or https address", "save it"),
        ("a:1_[/etc/m.png]", 5, "is an absolute path", "relative to the graph's folder"),
        ("a:1_[C:\\m.png]", 5, "is an absolute path", None),
        ("a:1_[/film.mp4]", 5, "is an absolute path", "relative to the graph's folder"),
        ('a:1_"sky', 4, "not closed", None),
        ('a:1_"sky"', 4, "a mask that is a text needs a cutoff", '1_"sky"_0.8'),
        ('a:1_"left"', 4, "a mask that is a text needs a cutoff", "for the mask 'left', leave the quotes out"),
        ('a:1_" "_0.8', 4, "a mask is empty", "a text between the quotes"),
        ("a:t_l_0.3", 3, "'t_l_0.3' is not a formula", "write t _l_0.3 or (t)_l_0.3"),
        ("a:2*t_[m.png]", 5, "'2*t_[m.png]' is not a formula", "write 2*t _[m.png] or (2*t)_[m.png]"),
        ('a:t_"b|c"_0.8', 3, "is not a formula", 'write t _"b|c"_0.8'),
        ("a:t_sky_0.8", 3, "'t_sky_0.8' is not a formula", "write t _sky_0.8"),
        ("a:1__0.8", 3, "a mask is missing after '_'", None),
        ("a:" + "1+" * 600 + "1", 2, "at most 1000 characters", None),
    ],
)
def test_bad_scenes(text, offset, message, hint):
    """What cannot be read is refused at its character, with what to write instead."""
    error = error_of(text)
    assert error.offset == offset
    assert message in error.message
    assert hint is None or hint in error.hint


parts = st.sampled_from([*'ab12:|"[]\\ .*_-', "||", "sin(t)", "12:30", "_r", "1_", "_[", "_sky_"])


@given(st.text(max_size=40) | st.lists(parts, max_size=25).map("".join))
def test_any_text_is_read_or_refused(text):
    """No text makes anything but `TextSyntaxError` come out; what is read has a text in every prompt."""
    try:
        scenes = parse_scenes(text)
    except TextSyntaxError as error:
        offsets = [error.offset]
    else:
        prompts = [prompt for scene in scenes.scenes for prompt in scene]
        masks = [prompt.mask for prompt in prompts if prompt.mask]
        offsets = [part.offset for part in (*prompts, *masks, *scenes.formulas, *scenes.files)]
        assert all(prompt.text.strip() for prompt in prompts)
        used = {index for prompt in prompts for index in (prompt.weight, prompt.stop)}
        assert used | {mask.cutoff for mask in masks} - {None} == set(range(len(scenes.formulas)))
        assert all(mask.text.strip() and mask.cutoff is not None for mask in masks if mask.kind == "text")
        assert [mask.text for mask in masks if mask.kind == "picture"] == [file.path for file in scenes.files]
    assert 0 <= min(offsets) <= max(offsets) <= len(text)


@given(st.lists(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4), min_size=1, max_size=4))
def test_quoted_texts_come_back(scenes):
    """Any text can be written in quotes."""

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '": 2'

    written = "||".join("|".join(map(quoted, scene)) for scene in scenes)
    assert [[prompt[0] for prompt in scene] for scene in read(written)] == scenes
