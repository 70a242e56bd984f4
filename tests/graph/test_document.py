import math
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pytti_graph.core.errors import GraphError, Position, UsageError
from pytti_graph.core.formulas import TextSyntaxError
from pytti_graph.graph import yaml_reader
from pytti_graph.graph.document import (
    Document,
    document_from,
    dump,
    interpolate,
    parse_document,
    read_document,
)

HEAD = "pytti_graph: 1\n"
EXAMPLE = """pytti_graph: 1                     # version of this format; required
title: Slow zoom from a volcano to a castle
seed: 7
clock: {frames: 36, fps: 12, warmup: 60, steps: 8}

nodes:
  eye:      {type: perceptor.imagenet}
  story:    {type: prompt.scenes, perceptor: eye, scenes: "a volcano | a geyser:0.3 || a castle on a hill", fade: 6}
  drift:    {type: motion.affine, zoom: 1.03, rotate: "2*sin(t)"}
  canvas:   {type: image.pyramid, width: 256, height: 256, warp: drift}
  optimise: {type: optimize.adam, losses: [meaning, smooth], learning_rate: 0.05}
  frames:   {type: write.frames, image: canvas}
"""


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request, monkeypatch):
    """Both of PyYAML's parsers, the fast one and the one in Python."""
    monkeypatch.setattr(yaml_reader, "_LOADER", getattr(yaml, request.param))


def arguments(text):
    """The arguments of a node `n` with the body `text`."""
    document = parse_document(f"{HEAD}nodes:\n  n: {text}\n", "g.yaml")
    return {key: entry.value.plain() for key, entry in document.nodes["n"].arguments.items()}


def problems_of(text, file="g.yaml"):
    with pytest.raises(GraphError) as caught:
        parse_document(text, file)
    return [str(problem) for problem in caught.value.problems]


def test_example(loader):
    """The example graph is read whole, with exact places."""
    document = parse_document(EXAMPLE, "graphs/zoom.yaml")
    assert (document.name, document.version, document.seed) == ("zoom", 1, 7)
    assert document.title == "Slow zoom from a volcano to a castle"
    assert {key: entry.value.data for key, entry in document.clock.items()}["warmup"] == 60
    assert list(document.nodes) == ["eye", "story", "drift", "canvas", "optimise", "frames"]
    canvas = document.nodes["canvas"]
    assert canvas.type.data == "image.pyramid"
    assert canvas.position == Position("graphs/zoom.yaml", 10, 3)
    assert canvas.arguments["height"].position == Position("graphs/zoom.yaml", 10, 47)
    assert canvas.arguments["height"].value.position == Position("graphs/zoom.yaml", 10, 55)
    assert document.nodes["optimise"].arguments["losses"].value.plain() == ["meaning", "smooth"]
    scenes = document.nodes["story"].arguments["scenes"].value
    line = EXAMPLE.splitlines()[7]
    assert scenes.at(scenes.data.index("geyser")) == Position("graphs/zoom.yaml", 8, line.index("geyser") + 1)


@pytest.mark.parametrize(
    ("written", "data"),
    [
        ("off", "off"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0),
        ("+12", 12),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("'1'", "1"),
        ('"null"', "null"),
        ("''", ""),
        ("nan", "nan"),
        ("2*sin(t)", "2*sin(t)"),
        ("=", "="),
        (".", "."),
        ("1.2.3", "1.2.3"),
        ("++1", "++1"),
    ],
)
def test_core_scalars(written, data):
    """Scalars mean what YAML 1.2 says."""
    found = arguments(f"{{type: x, a: {written}}}")["a"]
    assert found == data
    assert type(found) is type(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: the file is empty; a graph begins with 'pytti_graph: 1'"]),
        ("# nothing\n", ["1:1: the file is empty; a graph begins with 'pytti_graph: 1'"]),
        ("- a\n", ["1:1: a graph is a mapping; begin with 'pytti_graph: 1'"]),
        (
            "nodes: {}\n",
            ["1:1: the version of the graph format is missing; add the line 'pytti_graph: 1' at the top"],
        ),
        (
            "pytti_graph: one\n",
            ["1:14: unknown version of the graph format: 'one'; write 'pytti_graph: 1'"],
        ),
        (
            "pytti_graph: true\n",
            ["1:14: unknown version of the graph format: 'true'; write 'pytti_graph: 1'"],
        ),
        (HEAD + "nods: {}\n", ["2:1: unknown key 'nods'; did you mean 'nodes'?"]),
        (
            HEAD + "canvas: {type: image.rgb}\n",
            ["2:1: unknown key 'canvas'; nodes stand under 'nodes:', indented"],
        ),
        (
            HEAD + "seed: 1\nseed: 2\n",
            ["3:1: duplicate key 'seed'; it is already on line 2; remove one of them"],
        ),
        (HEAD + "seed: -1\n", ["2:7: the seed must be a whole number from 0 to 2**63 - 1; write 'seed: 7'"]),
        (HEAD + f"seed: {2**70}\n", ["2:7: the seed must be a whole number from 0 to 2**63 - 1; write 'seed: 7'"]),
        (HEAD + "title: [a]\n", ["2:8: the title must be a text; put it in quotes"]),
        (HEAD + "clock: 3\n", ["2:8: 'clock' must be a mapping; write 'name: value' lines, indented"]),
        (
            HEAD + "vars: {t: 1}\n",
            ["2:8: 't' cannot be the name of a variable; 't' means the time in seconds; choose another name"],
        ),
        (
            HEAD + "vars: {frames: 1}\n",
            ["2:8: 'frames' cannot be the name of a variable; 'frames' belongs to the clock; choose another name"],
        ),
        (
            HEAD + "vars: {a: [1]}\n",
            ["2:11: variable 'a' must be a number or a text; write a number, or put a text in quotes"],
        ),
        (
            HEAD + "vars: {a: 1}\nnodes: {a: {type: x}}\n",
            ["2:8: 'a' is a variable and a node; rename one of them"],
        ),
        (
            HEAD + "nodes:\n  sin: {type: x}\n",
            ["3:3: 'sin' cannot be the name of a node; 'sin' is a function; choose another name"],
        ),
        (
            HEAD + "nodes:\n  a-b: {type: x}\n",
            ["3:3: 'a-b' cannot be the name of a node; use letters, digits and _, and a letter at the beginning"],
        ),
        (
            HEAD + "nodes:\n  a: image.rgb\n",
            ["3:6: a: a node is a mapping with a type; write a: {type: image.rgb}"],
        ),
        (
            HEAD + "nodes:\n  a: {typ: image.rgb}\n",
            ["3:3: a: the type is missing; write 'type' for 'typ'"],
        ),
        (
            HEAD + "nodes:\n  a: {type: 3}\n",
            ["3:13: a: the type must be a text; write a type such as image.pyramid"],
        ),
        (
            HEAD + "nodes:\n  a: {type: x, zoom:1.03}\n",
            ["3:16: a: 'zoom:1.03' is not the name of an argument; write a space after the colon: zoom: 1.03"],
        ),
        (
            HEAD + "nodes:\n  a:{type: x}\n",
            ["3:3: 'a:{type' cannot be the name of a node; write a space after the colon: a: ..."],
        ),
        (
            HEAD + "nodes:\n  a: {type: x, sin(t): 3}\n",
            ["3:16: a: 'sin(t)' is not the name of an argument; put the formula in quotes"],
        ),
        (
            HEAD + "nodes:\n  a: {type: x, rotate: mix(1, b, 2)}\n",
            ["3:34: a: '2)' is not the name of an argument; put the formula in quotes: rotate: \"mix(1, b, 2)\""],
        ),
        (
            HEAD + "seed: !!python/name:os.system 3\n",
            ["2:7: tags such as '!!python/name:os.system' are not allowed; remove it; a value in quotes is a text"],
        ),
        (
            HEAD + "title: *2\n",
            [
                "2:8: nothing is called '&2'; "
                "write a text that begins with * in quotes; for an alias, write &2 before it"
            ],
        ),
        (HEAD + "x-a: &a [*a]\n", ["2:10: '*a' refers to a value that it is a part of"]),
        (HEAD + "x-a: 1e999\n", ["2:6: the number is too large; write fewer digits"]),
        (
            HEAD + f"x-a: {'1' * 5000}\n",
            ["2:6: the number has too many digits; write fewer digits"],
        ),
        (
            HEAD + "x-a: {[b]: 1}\n",
            ["2:7: a key must be a word, not a list, a mapping or a number; write name: value"],
        ),
        (
            HEAD + "x-a: {<<: 3}\n",
            ["2:7: '<<' needs a mapping, or a list of mappings; write '<<: *name'"],
        ),
        (
            HEAD + "seed: 1\n---\nseed: 2\n",
            ["3:1: a second document begins here; write one graph in a file, and no '---' in it"],
        ),
        (
            HEAD + "title: a\x07\n",
            ["2:9: a character that no text should hold (U+0007); delete it, or type it again"],
        ),
        (
            HEAD + "title: \ud800\n",
            ["2:8: a character that no text should hold (U+D800); delete it, or type it again"],
        ),
    ],
)
def test_problems(text, expected):
    """What is wrong is said at its place, in plain words."""
    shown = [problem.removeprefix("g.yaml:").replace(": error: ", ": ") for problem in problems_of(text)]
    assert shown == ["".join(expected)]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("nodes:\n\ta: 1\n", "3:1", ["tab", "spaces"]),
        ("title: a: b\n", "2:9", ["second ': '", "quotes"]),
        ('title: "a\nseed: 1\n', "2:8", ['quote " is not closed']),
        ("title: 'a\nseed: 1\n", "2:8", ["quote ' is not closed"]),
        ("clock: {frames: 3\nseed: 1\n", "2:8", ["'{' is not closed"]),
        ("x-a: [1, 2\nseed: 1\n", "2:6", ["'[' is not closed"]),
        ("x-a: [1}\n", "2:8", ["closed by '}'"]),
        ("seed:7\ntitle: a\n", "2:1", ["space after the colon"]),
        ("title: | b\n", "2:8", ["cannot begin with '|'", "quotes"]),
        ("title: @b\n", "2:8", ["cannot begin with '@'", "quotes"]),
        ("title: `b\n", "2:8", ["cannot begin with '`'", "quotes"]),
        ("title: %b\n", "2:8", ["cannot begin with '%'", "quotes"]),
        ("title: & b\n", "2:8", ["cannot begin with '&'", "quotes"]),
        ("title: a\n seed: 2\n", "3:2", ["indented"]),
        ("nodes:\n  b: 1\n c: 2\n", "4:2", ["indented"]),
        ("title: }\n", "2:8", ["unexpected '}'"]),
        ('title: "\\q"\n', "2:9", ["escape '\\q'"]),
        ("title: 'it's'\n", "2:12", ["complete", "quotes"]),
        ('x-a: {x: "a" b}\n', "2:14", ["follows a quoted text"]),
        ("x-a: " + "[" * 500, "2:56", ["nested too deeply"]),
    ],
)
def test_yaml_slips(text, place, words):
    """YAML that cannot be read is explained at its place."""
    [problem] = problems_of(HEAD + text)
    assert problem.startswith(f"g.yaml:{place}: error: ")
    for word in words:
        assert word in problem


def test_depth_beyond_the_parsers_own_limit_has_the_same_words():
    [problem] = problems_of(HEAD + "x-a: " + "[" * 20000)
    assert problem.startswith("g.yaml:2:")
    assert problem.endswith("error: lists and mappings are nested too deeply")


def test_newer_version_is_the_only_problem():
    """A graph of a newer format is not judged by the rules of this one."""
    [problem] = problems_of("pytti_graph: 2\nnodez: 3\n")
    assert problem.startswith("g.yaml:1:14: error: this graph needs a newer pytti-graph (format 2;")
    assert "pip install --upgrade" in problem


def test_all_problems_in_order():
    """Everything that is wrong is reported at once, in the order of the file."""
    text = HEAD + "seed: x\nnods: 1\nvars: {pi: 3, a: .nan}\nnodes:\n  a b: {type: y}\n  c: {}\n  c: {type: z, 1: 2}\n"
    lines = [int(problem.split(":")[1]) for problem in problems_of(text)]
    assert lines == [2, 3, 4, 4, 6, 7, 8]


def test_aliases_and_merges(loader):
    """Anchors, aliases and merges work; own keys win over merged ones, earlier mappings over later ones."""
    text = HEAD + (
        "x-base: &base {type: image.rgb, width: 8}\nx-more: &more {width: 9, height: 10}\nnodes:\n"
        "  a: *base\n  b: {<<: *base, width: 16}\n  c: {<<: [*base, *more]}\n"
    )
    nodes = parse_document(text, "g.yaml").nodes
    shown = {id: {key: entry.value.data for key, entry in node.arguments.items()} for id, node in nodes.items()}
    assert shown == {"a": {"width": 8}, "b": {"width": 16}, "c": {"width": 8, "height": 10}}
    assert nodes["c"].arguments["height"].value.position == Position("g.yaml", 3, 34)


def test_aliases_are_bounded(loader):
    """Aliases of aliases of aliases are refused before they fill the memory, and before they are too deep."""
    wide = "".join(f"x-{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'lol'}]\n" for i in range(12))
    deep = "".join(f"x-{i}: &a{i} [{f'*a{i - 1}' if i else 'lol'}]\n" for i in range(80))
    for text in (wide, deep):
        [problem] = problems_of(HEAD + text)
        assert "repeat too much" in problem


def test_files(tmp_path):
    """Files are read as UTF-8, with or without a byte order mark; what is none of it is refused."""
    path = tmp_path / "zoom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    document = read_document(path)
    assert (document.path, document.name) == (path, "zoom")
    assert document == parse_document(EXAMPLE, "zoom")
    path.write_bytes(b"pytti_graph: 1\ntitle: caf\xe9\n")
    with pytest.raises(GraphError, match=r"zoom.yaml:2:11: error: the file is not UTF-8 text; save it as UTF-8"):
        read_document(path)
    path.write_bytes(EXAMPLE.encode("utf-16"))
    with pytest.raises(GraphError, match="UTF-16"):
        read_document(path)
    path.write_bytes(b"#" * (yaml_reader.MAX_SIZE + 1))
    with pytest.raises(GraphError, match="larger than 8 MiB"):
        read_document(path)
    with pytest.raises(UsageError, match=r"cannot read .*: there is no such file; did you mean 'zoom.yaml'"):
        read_document(tmp_path / "zom.yaml")
    with pytest.raises(UsageError, match="cannot read"):
        read_document(tmp_path)


def test_document_from_python():
    """Python data makes the document that the file would make, and the same checks."""
    data = {"pytti_graph": 1, "seed": 7, "vars": {"a": "x: y"}, "nodes": {"n": {"type": "t.x", "l": ["a", 1.5, None]}}}
    document = document_from(data, "n")
    assert document == parse_document(dump(document), "n")
    assert document.nodes["n"].arguments["l"].value.plain() == ["a", 1.5, None]
    endless: list = []
    endless.append(endless)
    bad = {"pytti_graph": 1, "nodes": {"sin": {"type": "x", "a": object(), "b": endless, "c": {1: 2}, "d": "\ud800"}}}
    with pytest.raises(GraphError) as caught:
        document_from(bad)
    messages = [problem.message for problem in caught.value.problems]
    assert len(messages) == 5
    assert messages[0] == "nodes.sin.a: a object cannot stand in a graph"
    assert all(problem.position is None for problem in caught.value.problems)


def test_interpolation():
    """Variables are put in, and places lead back to the text as written."""
    text = "a ${look} b $${x} ${n}$"
    made, origin = interpolate(text, {"look": "very red", "n": 3})
    assert made == "a very red b ${x} 3$"
    for offset, character in enumerate(made):
        inserted = made[:offset].count("a very") < 0 or text[origin(offset)] == "$"
        assert inserted or text[origin(offset)] == character
    assert text[origin(made.index("b"))] == "b"
    assert origin(made.index("red")) == text.index("${look}")
    assert origin(len(made)) == len(text)


@pytest.mark.parametrize(
    ("text", "offset", "hint"),
    [
        ("a ${lok}", 2, "'look'"),
        ("a ${", 2, "$${"),
        ("${a b}", 0, "${name}"),
        ("${}", 0, "${name}"),
        ("x${zzz}", 1, "vars"),
    ],
)
def test_bad_interpolation(text, offset, hint):
    """Unknown variables and open brackets are refused at their `$`."""
    with pytest.raises(TextSyntaxError) as caught:
        interpolate(text, {"look": "red"})
    assert caught.value.offset == offset
    assert hint in caught.value.hint


@given(st.text(alphabet="ab${}n ", max_size=30))
def test_interpolation_is_total(text):
    """Any text is made or refused, and its places lie in order inside it."""
    try:
        made, origin = interpolate(text, {"a": "xyz", "n": 3})
    except TextSyntaxError as error:
        places = [error.offset]
    else:
        places = [origin(offset) for offset in range(len(made) + 1)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= len(text)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
safe = texts.filter(lambda text: not yaml_reader.NOT_YAML.search(text))
numbers = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)
keys = safe.filter(bool)
values = st.recursive(
    numbers | safe, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=3), max_leaves=8
)
names = st.sampled_from(["a", "width", "on", "null_", "_x", "eye", "y", "no"])
nodes = st.dictionaries(names, values, max_size=4).map(lambda arguments: {"type": "image.pyramid", **arguments})
graphs = st.fixed_dictionaries(
    {"pytti_graph": st.just(1)},
    optional={
        "title": safe,
        "seed": st.integers(0, 2**63 - 1),
        "requires": st.lists(safe),
        "vars": st.dictionaries(st.sampled_from(["v", "w"]), safe | st.floats(allow_nan=False)),
        "clock": st.dictionaries(st.sampled_from(["frames", "fps"]), st.integers(1)),
        "nodes": st.dictionaries(names, nodes, max_size=4),
    },
)


@given(graphs)
def test_dump_reads_back_equal(mapping):
    """What is dumped reads back as the same document, types and order included."""
    document = document_from(mapping, "g")
    again = parse_document(dump(document), "g")
    assert again == document
    assert repr(plain(again)) == repr(plain(document))


def plain(document: Document):
    nodes = {
        node.id: [(key, entry.value.plain()) for key, entry in node.arguments.items()]
        for node in document.nodes.values()
    }
    return (
        document.title,
        document.seed,
        {key: entry.value.plain() for key, entry in document.variables.items()},
        nodes,
    )


pieces = st.sampled_from(
    [
        *"abn:,[]{}()&*!|>'\"#%@`-?~ \n\t\\",
        ": ",
        "- ",
        "\n  ",
        "<<: ",
        "type: x",
        "nodes:\n",
        "&a ",
        "*a",
        "!!str ",
        "1e3",
        "---\n",
    ]
)


@given(st.text(max_size=60) | st.lists(pieces, max_size=30).map("".join) | st.binary(max_size=60))
@example("\x85a: b")
@example("? ")
@example("{? a, ? b : c}")
@example("'\u2028 a' : b")
def test_any_text_is_read_or_refused(text):
    """No file makes anything but `GraphError` come out, with a place inside the file."""
    text = text if isinstance(text, str) else text.decode("latin-1")
    for written in (text, HEAD + text, f"{HEAD}nodes:\n  n: {text}"):
        try:
            parse_document(written, "g.yaml")
        except GraphError as error:
            for problem in error.problems:
                assert problem.position is not None
                assert (
                    problem.position.line
                    <= written.count("\n") + sum(written.count(c) for c in "\r\x85\u2028\u2029") + 1
                )


@given(
    st.text(alphabet="ab é'\"\\\n:#\t😀", min_size=1, max_size=30),
    st.sampled_from(['"', "'", "|", ">", None]),
    st.integers(4, 30),
)
def test_at_points_at_the_very_character(data, style, width):
    """The place of every character of a text is where it stands in the file, in every YAML style."""
    body = yaml.dump({"type": "x", "a": data}, default_style=style, width=width, allow_unicode=True, sort_keys=False)
    text = HEAD + "nodes:\n  n:\n" + "".join(f"    {line}" for line in body.splitlines(keepends=True))
    try:
        value = parse_document(text, "g.yaml").nodes["n"].arguments["a"].value
    except GraphError:
        assume(False)
    assume(isinstance(value.data, str))
    places = [value.at(offset) for offset in range(len(value.data) + 1)]
    lines = text.split("\n")
    for character, place in zip(value.data, places, strict=False):
        if character not in " \n":
            found = lines[place.line - 1][place.column - 1]
            assert found == character or (found == "\\" and style in ('"', None, "'", "|", ">"))
    assert [(place.line, place.column) for place in places] == sorted((place.line, place.column) for place in places)


@pytest.mark.parametrize(
    ("written", "needle", "place"),
    [
        ("a: abc", "c", (4, 10)),
        ('a: "a\\u00e9\\x41c"', "c", (4, 20)),
        ("a: 'it''s c'", "c", (4, 15)),
        ("a: &anchor  abc", "c", (4, 19)),
        ("a: ab\n        c", "c", (5, 9)),
        ('a: "ab \\\n        c"', "c", (5, 9)),
        ("a: |\n        ab\n          c", "c", (6, 11)),
        ("a: >-\n        ab\n\n        c", "c", (7, 9)),
        ("a: '山 😀 c'", "c", (4, 13)),
    ],
)
def test_places_in_texts(loader, written, needle, place):
    """Places take escapes, folded lines, anchors and wide characters into account."""
    text = f"{HEAD}nodes:\n  n:\n    {written}\n    type: x\n"
    value = parse_document(text, "g.yaml").nodes["n"].arguments["a"].value
    found = value.at(value.data.index(needle))
    assert (found.line, found.column) == place
    assert text.split("\n")[found.line - 1][found.column - 1] == needle


def test_large_graphs_are_read_in_one_go():
    """Ten thousand nodes are no problem."""
    nodes = "".join(f"  n{i}: {{type: image.pyramid, width: 256, warp: '2*sin(t)'}}\n" for i in range(10_000))
    document = parse_document(f"{HEAD}nodes:\n{nodes}", Path("g.yaml").name)
    assert len(document.nodes) == 10_000
    assert document.nodes["n9999"].position == Position("g.yaml", 10_002, 3)
