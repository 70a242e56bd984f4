"""What runs how often, in which order, and what is refused."""

import pytest

from pytti_graph import GraphError


def runs(plan):
    """Sections by node."""
    return {id: timing.runs for id, timing in plan.timings.items()}


def refused(make):
    """The problems of a graph, as texts."""
    with pytest.raises(GraphError) as caught:
        make().plan()
    return [str(problem) for problem in caught.value.problems]


def test_rates_follow_inputs_and_needs(picture_graph):
    """Text once, motion once a frame, losses every step, writers at the end of a frame."""
    plan = picture_graph(
        {
            "canvas": ("tiny.canvas", {"warp": "drift"}),
            "drift": ("tiny.warp", {"by": "sin(t)"}),
            "still": ("tiny.warp", {"by": 2}),
            "shaken": ("tiny.noise", {"image": "canvas"}),
            "off": ("tiny.loss", {"image": "shaken"}),
        }
    ).plan()
    assert runs(plan) == {
        "canvas": ("step", "end"),
        "off": ("step",),
        "optimise": ("step",),
        "out": ("end",),
        "drift": ("frame",),
        "still": (),
        "shaken": ("step",),
    }
    assert plan.dead == ("still",)


def test_a_node_needed_only_by_a_writer_runs_at_frame_ends(picture_graph):
    """An upscaler between canvas and film costs nothing in the steps."""
    plan = picture_graph({"large": ("tiny.pass", {"image": "canvas"}), "out": ("tiny.sink", {"image": "large"})}).plan()
    assert runs(plan)["large"] == ("end",)
    assert plan.timings["large"].changes == "step"


def test_without_an_optimiser_there_are_no_steps(graph):
    """A plain frame-by-frame pipeline."""
    plan = graph(
        {
            "canvas": ("tiny.canvas", {"warp": "drift"}),
            "drift": ("tiny.warp", {"by": "t"}),
            "out": ("tiny.sink", {"image": "canvas"}),
        }
    ).plan()
    assert plan.step == ()
    assert plan.timings["canvas"].changes == "frame"


def test_constant_formulas_are_folded(graph):
    """A formula of variables is a number."""
    made = graph(
        {
            "n": ("tiny.number", {"value": "2*side"}),
            "out": ("tiny.sink", {"image": "p"}),
            "p": ("tiny.plain", {"width": "side+1"}),
        },
        vars={"side": 3},
    )
    assert made.plan().timings["p"].changes == "once"


def test_a_loop_is_refused_with_its_path(graph):
    """And the remedy is named."""
    problems = refused(
        lambda: graph(
            {
                "a": ("tiny.pass", {"image": "b"}),
                "b": ("tiny.pass", {"image": "c"}),
                "c": ("tiny.pass", {"image": "a"}),
                "out": ("tiny.sink", {"image": "a"}),
            }
        )
    )
    assert len(problems) == 1
    assert "->" in problems[0]
    assert "previous(" in problems[0]


def test_previous_closes_a_loop(picture_graph):
    """The value of the frame before is an ordinary input."""
    plan = picture_graph(
        {
            "canvas": ("tiny.canvas", {"warp": "drift"}),
            "drift": ("tiny.warp", {"by": "bright"}),
            "bright": ("tiny.measure", {"image": "previous(canvas)"}),
        }
    ).plan()
    assert runs(plan)["bright"] == ("frame",)
    assert [name for name, _, _ in plan.previous] == ["canvas"]


def test_a_warp_cannot_read_what_the_steps_change(picture_graph):
    """The value at the start of the frame would be stale."""
    problems = refused(
        lambda: picture_graph(
            {
                "other": "tiny.canvas",
                "bright": ("tiny.measure", {"image": "other"}),
                "off2": ("tiny.loss", {"image": "other"}),
                "optimise": ("tiny.sgd", {"losses": ["off", "off2"]}),
                "drift": ("tiny.warp", {"by": "bright"}),
                "canvas": ("tiny.canvas", {"warp": "drift"}),
            }
        )
    )
    assert "warp is read once a frame" in problems[0]
    assert "changes every step" in problems[0]


def test_a_size_cannot_change(picture_graph):
    """What a class is made with is read once."""
    problems = refused(lambda: picture_graph({"canvas": ("tiny.canvas", {"width": "frame+1"})}))
    assert "width is read once" in problems[0]


def test_previous_of_something_random_is_refused(picture_graph):
    """It would be another value than the one that was used."""
    problems = refused(
        lambda: picture_graph(
            {
                "shaken": ("tiny.noise", {"image": "canvas"}),
                "off": ("tiny.compare", {"image": "canvas", "target": "previous(shaken)"}),
            }
        )
    )
    assert "random at every step" in problems[0]


def test_previous_of_a_warp_is_refused(picture_graph):
    """Only pictures and numbers are remembered."""
    problems = refused(
        lambda: picture_graph({"drift": "tiny.warp", "canvas": ("tiny.canvas", {"warp": "previous(drift)"})})
    )
    assert "previous(...) cannot keep Warp" in problems[0]


def test_a_value_that_depends_on_itself_needs_an_initial_value(picture_graph):
    """On frame 0 there is no frame before."""
    loop = {
        "n": ("tiny.number", {"value": "previous(n) + 1"}),
        "p": ("tiny.plain", {"value": "n"}),
        "out": ("tiny.sink", {"image": "p"}),
    }
    assert "no value on frame 0" in refused(lambda: picture_graph(loop))[0]
    loop["n"] = ("tiny.number", {"value": "previous(n, 3) + 1"})
    assert list(picture_graph(loop).plan().initial.values()) == [3]


def test_a_picture_that_depends_on_itself_is_shown_a_way_out(picture_graph):
    """Through what it depends on itself, and what to write instead."""
    loop = {
        "late": ("tiny.pass", {"image": "previous(larger)"}),
        "larger": ("tiny.pass", {"image": "late"}),
        "out": ("tiny.sink", {"image": "larger"}),
    }
    (problem,) = refused(lambda: picture_graph(loop))
    assert "late: previous(larger) has no value on frame 0: its first value depends on itself" in problem
    assert "(larger -> late -> larger); use it in the warp or the losses of an image" in problem
    (problem,) = refused(lambda: picture_graph({"canvas": ("tiny.canvas", {"start": "previous(canvas)"})}))
    assert "give 'canvas.start' a picture that does not depend on it" in problem
    begun = {"canvas": ("tiny.canvas", {"start": "p"}), "p": "tiny.plain"}
    assert "start" in [call.kind for call in picture_graph(begun).plan().first]


def test_a_number_on_the_way_can_begin_a_loop_of_pictures(picture_graph):
    """It is the one that can be given a first value."""
    loop = {
        "bright": ("tiny.measure", {"image": "level"}),
        "level": ("tiny.plain", {"value": "previous(bright) + 1"}),
        "out": ("tiny.sink", {"image": "level"}),
    }
    (problem,) = refused(lambda: picture_graph(loop))
    assert "(bright -> level -> bright); give it one: previous(bright, 0)" in problem
    loop["level"] = ("tiny.plain", {"value": "previous(bright, 0) + 1"})
    assert picture_graph(loop).plan().initial


def test_every_loss_needs_a_way_to_a_parameter(picture_graph):
    """Even if other losses have one."""
    problems = refused(
        lambda: picture_graph(
            {
                "p": "tiny.plain",
                "dead": ("tiny.loss", {"image": "p"}),
                "late": ("tiny.loss", {"image": "previous(canvas)"}),
                "torn": ("tiny.loss", {"image": "apart"}),
                "apart": ("tiny.cut", {"image": "canvas"}),
                "optimise": ("tiny.sgd", {"losses": ["off", "dead", "late", "torn"]}),
            }
        )
    )
    assert [text for text in problems if "no way leads" in text] == problems
    assert len(problems) == 3


def test_two_optimisers_cannot_move_one_image(picture_graph):
    """They would undo each other."""
    problems = refused(lambda: picture_graph({"again": ("tiny.sgd", {"losses": ["off"]})}))
    assert "already moved by the optimiser 'optimise'" in problems[0]


def test_a_graph_that_writes_nothing_is_refused(graph):
    """There must be something to do."""
    assert "writes nothing" in refused(lambda: graph({"p": "tiny.plain"}))[0]


def test_all_problems_come_in_one_pass(picture_graph):
    """Unknown type, argument, port, reference; wrong type; bounds; missing argument."""
    problems = refused(
        lambda: picture_graph(
            {
                "a": "tiny.lose",
                "b": ("tiny.loss", {"imgae": "canvas"}),
                "c": ("tiny.count", {"value": 12}),
                "d": ("tiny.count", {"value": 1.5}),
                "k": ("tiny.loss", {"image": "canvass"}),
                "f": ("tiny.loss", {"image": "c"}),
                "g": ("tiny.number", {"value": "two.first"}),
                "two": ("tiny.pair", {"image": "canvas"}),
                "h": ("tiny.number", {"value": "two.third"}),
                "i": ("tiny.number", {"value": "sin(t"}),
            }
        )
    )
    text = "\n".join(problems)
    for expected in (
        "did you mean 'tiny.loss'?",
        "unknown argument 'imgae' (tiny.loss); did you mean 'image'?",
        "must be at most 9",
        "must be a whole number",
        "did you mean 'canvas'?",
        "expected Image, but 'c' (tiny.count) gives Number",
        "no port 'third'",
        "b: image: missing argument",
    ):
        assert expected in text
    assert "g:" not in text


@pytest.mark.parametrize("length", [1, 50])
def test_values_are_let_go_after_their_last_use(graph, length):
    """Every intermediate value of the steps is released."""
    nodes = {"canvas": "tiny.canvas"}
    for index in range(length):
        nodes[f"n{index}"] = ("tiny.pass", {"image": f"n{index - 1}" if index else "canvas"})
    nodes |= {
        "off": ("tiny.loss", {"image": f"n{length - 1}"}),
        "optimise": ("tiny.sgd", {"losses": "off"}),
        "out": ("tiny.sink", {"image": "canvas"}),
    }
    plan = graph(nodes).plan()
    released = {slot for call in plan.step for slot in call.release}
    kept = {slot for _, slot in plan.optimisers[0].losses}
    made = {call.output for call in plan.step if call.name != "canvas"}
    assert made - kept <= released | {call.output for call in plan.step if call.kind == "list"}


def test_frame_0_lets_go_too(picture_graph):
    """Of all that its steps and its end do not read."""
    plan = picture_graph(
        {
            "p": ("tiny.plain", {"value": "t"}),
            "q": ("tiny.pass", {"image": "p"}),
            "r": ("tiny.pass", {"image": "q"}),
            "off": ("tiny.compare", {"image": "canvas", "target": "r"}),
        }
    ).plan()
    for calls in (plan.first, plan.frame):
        slots = {call.name: call.output for call in calls}
        released = {slot for call in calls for slot in call.release}
        assert {slots["p"], slots["q"]} <= released
        assert slots["r"] not in released


def test_what_an_optimiser_reads_is_kept_for_it(graph):
    """A learning rate that changes at every step, and the losses."""
    plan = graph(
        {
            "canvas": "tiny.canvas",
            "off": ("tiny.loss", {"image": "canvas"}),
            "optimise": ("tiny.sgd", {"losses": "off", "learning_rate": "0.1 * (1 - progress)"}),
            "out": ("tiny.sink", {"image": "canvas"}),
        }
    ).plan()
    read = {*plan.optimisers[0].call.inputs}
    assert not read & {slot for call in plan.step for slot in call.release}
    assert read & {call.output for call in plan.step if call.kind == "formula"}


def test_a_phase_that_reads_too_fast_is_refused_once(picture_graph):
    """What depends on it is not to blame."""
    nodes = {"canvas": ("tiny.canvas", {"width": "step", "start": "p"}), "p": "tiny.plain"}
    (problem,) = refused(lambda: picture_graph(nodes))
    assert "width is read once" in problem
