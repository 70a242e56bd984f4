"""Scenes written with keys mean what the language of prompts says in punctuation, and errors know their place."""

import pytest

from pytti_graph import Graph, GraphError
from pytti_graph.core.plugins import installed

GRAPH = """
pytti_graph: 1
vars: {who: "a | b: 2"}
nodes:
  eye: {type: perceptor.open_clip}
  story:
    type: prompt.scenes
    perceptor: eye
    scenes:
"""


def read(scenes):
    """Scenes as they are bound: (text, weight, stop, mask) by scene, formulas by their source."""
    bound = Graph.parse(GRAPH + scenes, "g.yaml", registry=installed()).checked.nodes["story"].arguments["scenes"]

    def shown(index):
        return None if index is None else bound.formulas[index].formula.source

    def mask(prompt):
        found = prompt.mask
        return found and (found.kind, found.text, found.inverted, shown(found.cutoff))

    prompts = [[(p.text, shown(p.weight), shown(p.stop), mask(p)) for p in scene] for scene in bound.parsed.scenes]
    return prompts, [file.text for file, _ in bound.files]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("      - a volcano", [[("a volcano", "1", "-inf", None)]]),
        ('      - "Alien: the film | [x] \\"2\\" \\\\"', [[('Alien: the film | [x] "2" \\', "1", "-inf", None)]]),
        ("      - {text: photo.jpg}", [[("photo.jpg", "1", "-inf", None)]]),
        ("      - {text: at 12:30, weight: 2}", [[("at 12:30", "(2)", "-inf", None)]]),
        ("      - ${who}", [[("a | b: 2", "1", "-inf", None)]]),
        (
            "      - {text: smoke, weight: -0.5, stop: -1.2}\n      - prompts: [a, {text: b, weight: 't/2'}]",
            [[("smoke", "(-0.5)", "(-1.2)", None)], [("a", "1", "-inf", None), ("b", "(t/2)", "-inf", None)]],
        ),
        (
            "      - {text: a, mask: left, cutoff: t, stop: 0.5}",
            [[("a", "1", "(0.5)", ("left", "", False, "(t)"))]],
        ),
        (
            "      - prompts: [{text: a, mask: {picture: b_1.png}}, {text: a, mask: {picture: c.png, inverted: true}}]",
            [
                [
                    ("a", "1", "-inf", ("picture", "b_1.png", False, None)),
                    ("a", "1", "-inf", ("picture", "c.png", True, None)),
                ]
            ],
        ),
        (
            "      - {picture: a.png, weight: 2, mask: r}",
            [[("a.png", "(2)", "-inf", ("right", "", False, None))]],
        ),
        (
            "      - {video: a.mp4, mask: {video: b_1.webm, inverted: true}}",
            [[("a.mp4", "1", "-inf", ("video", "b_1.webm", True, None))]],
        ),
        (
            "      - {picture: 'https://a.b/c.png', mask: {picture: 'https://a.b/d_e.png'}}",
            [[("https://a.b/c.png", "1", "-inf", ("picture", "https://a.b/d_e.png", False, None))]],
        ),
        (
            "      - {text: a, mask: {text: left_side}, cutoff: 0.8}",
            [[("a", "1", "-inf", ("text", "left_side", False, "(0.8)"))]],
        ),
        (
            '      - {text: a, weight: {0: 1, 30: "sin(t)", last: 0}}',
            [[("a", "(keys_linear(now, 0, (1), 30, (sin(t)), max(last, 30), (0)))", "-inf", None)]],
        ),
    ],
)
def test_keys_mean_what_punctuation_means(written, expected):
    """Each key has its place in the language; texts are taken as they are."""
    prompts, files = read(written)
    assert prompts == expected
    named = []
    for text, *_, mask in (prompt for scene in prompts for prompt in scene):
        named += [text] if text.endswith((".png", ".mp4")) else []
        named += [mask[1]] if mask and mask[0] in ("picture", "video") else []
    assert files == named


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        ("- {text: a, wieght: 2}", "wieght", "unknown key 'wieght' of a prompt; did you mean 'weight'?"),
        ("- Alien: the film", "Alien", "unknown key 'Alien' of a scene; it has prompts; a text with ':'"),
        ("- {weight: 2}", "weight", "unknown key 'weight' of a scene"),
        ("- prompts: [{weight: 2}]", "{weight", "a prompt is a text, a picture or a video"),
        ("- {text: a, picture: a.png}", "{text", "a prompt is a text, a picture or a video"),
        ("- {picture: 'a b]'}", "'a b", "must not begin with '-' or hold ']'"),
        ("- {picture: a.png, video: a.mp4}", "{picture", "a prompt is a text, a picture or a video"),
        ("- {picture: a.mp4}", "a.mp4", "'a.mp4' is the name of a video, not of a picture; write 'video: a.mp4'"),
        ("- {video: a.png}", "a.png", "'a.png' is the name of a picture, not of a video; videos end in .mp4"),
        ("- {video: 'https://a.b/c.mp4'}", "'https", "videos are not read from the network"),
        ("- {picture: 'ftp://a.b/c.png'}", "ftp", "is not an http or https address"),
        ("- {text: a, mask: {picture: a.png, video: b.mp4}}", "{picture", "a mask needs a picture, a video or a text"),
        ("- {text: a, mask: {video: b.mp4}, cutoff: 1}", "1", "a mask that is a video has no cutoff"),
        ("- photo.png", "photo", "reads like the name of a picture; for a picture, write {picture: photo.png}"),
        ("- https://a.b/c", "https", "reads like the name of a picture; for a picture, write {picture: https://a.b/c}"),
        (
            "- '[a clip.mov]'",
            "'[",
            "a video; for a video, write {video: a clip.mov}; for the text, {text",
        ),
        ("- {text: a, mask: {text: ' '}, cutoff: 1}", "' '", "a mask is empty"),
        ("- {text: a, mask: left, cutoff: 30}", "30", "between 0 and 1, not 30"),
        ("- {text: a, stop: 9}", "9", "with the stop 9 nothing is pulled"),
        ("- {picture: 3}", "3", "expected text, not the number 3"),
        ("- {prompts: []}", "[]", "there are no prompts"),
        ("[]", "[]", "there are no scenes"),
        ("- {prompts: a}", "a}", "expected a list of prompts"),
        ("- {}", "{}", "a scene needs prompts"),
        ("- 3", "3", "expected text, not the number 3"),
        ('- {text: " "}', '" "', "a prompt is empty"),
        ("- {text: a, weight: 30 pm}", "pm", "unexpected 'pm'"),
        ("- {text: a, weight: [1]}", "[1]", "expected a number or a formula, not a list"),
        ("- {text: a, weight: nobody}", "nobody", "there is no node 'nobody'"),
        ("- {text: a, weight: 1, stop: -1}", "-1", "the stop -1 is never reached"),
        ("- {text: a, mask: letf}", "letf", "a mask is one of a, l, r"),
        ("- {text: a, mask: [{b: 1}]}", "[{b", "a mask is one of a, l, r"),
        ("- {text: a, mask: 3}", "3", "a mask is one of a, l, r"),
        ("- {text: a, mask: left, cutoff: 1 +}", "}", "the formula ends too early"),
        ("- {text: a, mask: {text: b}}", "{text: b", "a mask that is a text needs a cutoff"),
        ("- {text: a, mask: {}}", "{}", "a mask needs a picture, a video or a text"),
        ("- {text: a, mask: {picture: a.png, inverted: 2}}", "2", "inverted is true or false"),
        ("- {text: a, mask: {picture: /a.png}}", "/a", "'/a.png' is an absolute path"),
        ("- {text: a, mask: {picture: -a.png}}", "-a", "must not begin with '-'"),
        ("- {text: a, mask: {picture: b.png}, cutoff: 1}", "1", "a mask that is a picture has no cutoff"),
        ("- {text: a, cutoff: 1}", "cutoff", "a cutoff belongs to a mask"),
        ("- {text: '${whom}'}", "${whom", "unknown variable 'whom'"),
    ],
)
def test_errors_know_their_place(written, place, message):
    """Line and column are those of the key or value that is wrong."""
    with pytest.raises(GraphError) as caught:
        read("      " + written)
    [problem] = caught.value.problems
    assert message in str(problem)
    assert problem.position.line == 10
    assert problem.position.column == ("      " + written).rindex(place) + 1
