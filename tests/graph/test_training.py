"""What optimisers move: told by name, or whatever their losses reach."""

import pytest

from pytti_graph import Graph, GraphError

TEXT = """\
pytti_graph: 1
clock: {{frames: 1, steps: 2}}
nodes:
  canvas: {{type: image.rgb, width: 4, height: 4}}
  other: {{type: image.rgb, width: 4, height: 4}}
  alone: {{type: image.rgb, width: 4, height: 4}}
  moved: {{type: motion.apply, image: canvas, warp: drift}}
  drift: {{type: motion.affine}}
  smooth: {{type: loss.smoothness, image: moved}}
  like: {{type: loss.match, image: moved, target: other}}
  optimise: {{type: optimize.adam, losses: [{losses}], images: {images}}}
  {more}
  frames: {{type: write.frames, image: canvas}}
"""


def written(images="null", losses="like", more="x: {type: motion.affine}"):
    """A graph whose optimiser is told to move these images."""
    return TEXT.format(images=images, losses=losses, more=more)


def moved(text):
    """The images that each optimiser moves."""
    return {optimiser.node: optimiser.images for optimiser in Graph.parse(text, "film.yaml").plan().optimisers}


def problem(text):
    """The only thing that is wrong, and what stands there."""
    with pytest.raises(GraphError) as caught:
        Graph.parse(text, "film.yaml").plan()
    [found] = caught.value.problems
    return found, text.splitlines()[found.position.line - 1][found.position.column - 1 :]


def test_untold_an_optimiser_moves_all_that_its_losses_reach():
    assert moved(written())["optimise"] == ("other", "canvas")


@pytest.mark.parametrize(
    ("images", "expected"),
    [("canvas", ("canvas",)), ("[other]", ("other",)), ("[canvas, other, canvas]", ("other", "canvas"))],
)
def test_told_it_moves_these(images, expected):
    """One or several; how they are written makes no difference to the bits."""
    assert moved(written(images))["optimise"] == expected


def test_two_optimisers_share_a_loss():
    more = "again: {type: optimize.schedule_free, losses: like, images: other}"
    assert moved(written("canvas", more=more)) == {"optimise": ("canvas",), "again": ("other",)}


def test_one_image_is_moved_by_one_optimiser():
    """The message shows the place where that can be said."""
    found, there = problem(
        written("canvas", more="again: {type: optimize.adam, losses: like, images: [other, canvas]}")
    )
    assert found.message == "'canvas' is already moved by the optimiser 'optimise'"
    assert "tell each with 'images' which ones to move" in found.hint
    assert there == "[other, canvas]}"


@pytest.mark.parametrize(
    ("images", "message", "hint"),
    [
        ("moved", "'moved' (motion.apply) has nothing that could be changed", "write 'canvas'"),
        ("previous(canvas)", "previous(canvas) is finished and cannot be changed any more", "write 'canvas'"),
        ("alone", "no way leads from the losses of 'optimise' to 'alone'", "write 'other' or 'canvas'"),
        ("canvass", "there is no node 'canvass'", "did you mean 'canvas'?"),
        ("drift", "expected Image, but 'drift' (motion.affine) gives Warp", None),
    ],
)
def test_what_cannot_be_moved_is_told(images, message, hint):
    """With its place in the file, and with what to write."""
    found, there = problem(written(f"[other, {images}]"))
    assert found.message == f"images: {message}"
    assert there == f"{images}]}}"
    assert hint is None or found.hint == hint


def test_a_wrong_name_is_the_only_problem():
    """What follows from it is not told."""
    found, there = problem(written("moved"))
    assert (found.argument, there) == ("images", "moved}")


def test_a_loss_that_reaches_only_other_images_is_told():
    """Though it reaches some."""
    found, there = problem(written("other", losses="like, smooth"))
    assert found.message == "no way leads from the loss 'smooth' to an image that 'optimise' could change"
    assert found.hint == "add canvas to 'images', or leave out this loss"
    assert there == "smooth], images: other}"
