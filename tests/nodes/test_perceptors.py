"""CLIP networks, small and random, through open_clip's own configuration and loading."""

import contextlib
import json
import threading
from types import SimpleNamespace

import open_clip
import pytest
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors.torch import save_file
from torch.nn.functional import cosine_similarity

from pytti_graph import MissingError, UsageError
from pytti_graph.core.downloads import HubFile, WebFile, downloads_of
from pytti_graph.core.nodes import spec_of
from pytti_graph.nodes import clip_weights
from pytti_graph.nodes.perceptors import open_clip as clip

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
WIDE = {**TINY, "vision_cfg": {**TINY["vision_cfg"], "image_size": [16, 32]}}
CUSTOM = {**TINY, "custom_text": True}
TIMM = {**TINY, "vision_cfg": {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"}}
RESNET = {**TINY, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}}
FOREIGN = {**TINY, "text_cfg": {**TINY["text_cfg"], "hf_tokenizer_name": "bert-base-uncased"}}


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory):
    """Makes open_clip know our small models."""
    folder = tmp_path_factory.mktemp("models")
    named = {
        "pg-tiny": TINY,
        "pg-wide": WIDE,
        "pg-custom": CUSTOM,
        "pg-timm": TIMM,
        "pg-resnet": RESNET,
        "pg-foreign": FOREIGN,
    }
    for name, config in named.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


class Notes:
    """Keeps what a node warns of."""

    def __init__(self):
        self.warnings = []

    def warn(self, message, *, argument=None, offset=0):
        self.warnings.append((message, argument))


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes a perceptor; the caches are empty and the graph's folder is `tmp_path`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path / "home")

    def run(model="pg-tiny", pretrained="random", *, dtype=torch.float32, network=False, report=None):
        device = SimpleNamespace(torch=torch.device("cpu"), dtype=dtype)
        files = SimpleNamespace(input=lambda path: (tmp_path / path).resolve(), network=network)
        return clip(device, files, report or Notes(), model, pretrained)

    return run


@pytest.fixture
def offline(monkeypatch):
    """Any use of the network fails the test."""

    def refuse(*arguments, **named):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture
def saved(tmp_path):
    """Saves the weights of a random model: `saved("a.pt")`."""

    def run(name, model="pg-tiny"):
        state = open_clip.create_model(model).state_dict()
        path = tmp_path / name
        save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
        return state

    return run


def crops(count=3, size=32):
    """Random pictures."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("model", ["pg-tiny", "pg-custom", "pg-timm"])
def test_embeddings_are_unit_vectors(make, model):
    """Of pictures and texts, in one space, as float32."""
    eye = make(model)
    assert eye.size == 32
    pictures, texts = eye.encode_images(crops()), eye.encode_texts(["a cat", "a dog"])
    assert pictures.shape == (3, 32)
    assert texts.shape == (2, 32)
    for embeddings in (pictures, texts):
        assert embeddings.dtype == torch.float32
        assert torch.allclose(embeddings.norm(dim=-1), torch.ones(len(embeddings)), atol=1e-5)


def test_it_computes_what_open_clip_computes(make, saved):
    """With the weights of a file, its own mean and deviation, and its tokenizer."""
    state = saved("a.pt")
    eye = make(pretrained="a.pt")
    model = open_clip.create_model("pg-tiny").eval()
    model.load_state_dict(state)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    with torch.no_grad():
        pictures = model.encode_image((crops() - mean) / std, normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer("pg-tiny")(["a cat", "a dog"]), normalize=True)
    assert torch.allclose(eye.encode_images(crops()), pictures, atol=1e-6)
    assert torch.allclose(eye.encode_texts(["a cat", "a dog"]), texts, atol=1e-6)


def test_weights_have_their_own_mean_and_activation(make, monkeypatch):
    """As open_clip's list of weights says."""
    known = {"mean": (0.0, 0.0, 0.0), "std": (2.0, 2.0, 2.0), "quick_gelu": True, "hf_hub": "a/b/"}
    monkeypatch.setattr(clip_weights, "get_pretrained_cfg", lambda model, pretrained: known)
    plain = make()
    assert plain._std.flatten().tolist() == [2, 2, 2]
    assert "QuickGELU" in repr(plain._model.visual)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "folder/a.bin"])
def test_weights_from_a_file(make, saved, tmp_path, name, offline):
    """Their sum is kept for the record of the run."""
    (tmp_path / "folder").mkdir()
    saved(name)
    eye = make(pretrained=name)
    assert eye.weights == {name.rpartition("/")[2]: clip_weights.sha256(tmp_path / name)}
    assert name in eye.name


def test_gradients_reach_the_pixels_and_no_weights(make):
    """Every pixel matters, and no weight is trained."""
    eye, pictures = make(), crops(1).requires_grad_()
    eye.encode_images(pictures).sum().backward()
    assert (pictures.grad != 0).float().mean() > 0.99
    assert not any(parameter.requires_grad for parameter in eye._model.parameters())
    assert not eye.encode_texts(["a"]).requires_grad


def test_gradients_are_right(make):
    """Compared with differences uphill."""
    eye = make()
    eye._model.double()
    eye._dtype, eye._mean, eye._std = torch.float64, eye._mean.double(), eye._std.double()
    pictures = crops(1).double().requires_grad_()
    target = eye.encode_images(crops(2)[1:].double()).detach()
    (eye.encode_images(pictures) * target).sum().backward()
    direction = pictures.grad / pictures.grad.norm()
    with torch.no_grad():
        step = 0.01
        ahead, behind = ((eye.encode_images(pictures + s * direction) * target).sum() for s in (step, -step))
    assert float(pictures.grad.norm()) == pytest.approx(float((ahead - behind) / (2 * step)), rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resnet_has_features_of_pictures_of_any_size(make, dtype):
    """The last of which is what its embedding is made of."""
    perceptor = make("pg-resnet", dtype=dtype)
    pictures = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = perceptor.features(pictures)
    assert [maps.shape for maps in found] == [(2, 32 * 2**n, 12 // 2**n, 16 // 2**n) for n in range(4)]
    assert all(maps.dtype == torch.float32 for maps in found)
    found[-1].sum().backward()
    assert pictures.grad.abs().sum() > 0
    seen = perceptor._model.visual.attnpool(perceptor.features(crops())[-1].to(dtype)).float()
    torch.testing.assert_close(torch.nn.functional.normalize(seen, dim=-1), perceptor.encode_images(crops()))


def test_other_networks_have_no_features(make):
    with pytest.raises(UsageError, match="does not tell how things are painted"):
        make().features(crops())


def test_bfloat16_is_close(make):
    """The image side computes in it; embeddings stay float32, and texts are not touched."""
    exact, rough = make(), make(dtype=torch.bfloat16)
    seen = rough.encode_images(crops())
    assert seen.dtype == torch.float32
    assert cosine_similarity(seen, exact.encode_images(crops())).min() > 0.99
    assert torch.equal(rough.encode_texts(["a cat"]), exact.encode_texts(["a cat"]))


def test_a_text_is_encoded_on_its_own(make):
    """Its embedding does not depend on what else is asked."""
    eye = make()
    assert torch.equal(eye.encode_texts(["a cat"])[0], eye.encode_texts(["a longer text about a dog", "a cat"])[1])


def test_long_texts_are_warned_about(make):
    """What does not fit is not read."""
    eye = make()
    assert eye.unfamiliar("a cat") is None
    assert "only its first 14 tokens of 40 are read" in eye.unfamiliar("cat " * 40)


def test_random_weights_come_with_a_warning(make):
    """And are the same each time."""
    notes = Notes()
    first = make(report=notes)
    assert notes.warnings == [("its weights are random: pictures will mean nothing", "pretrained")]
    assert torch.equal(first.encode_images(crops()), make().encode_images(crops()))
    assert len({float(parameter.double().sum()) for parameter in first._model.parameters()}) > 10


@pytest.mark.parametrize("model", ["pg-tiny", "pg-custom", "pg-timm"])
@pytest.mark.parametrize("source", ["random", "a.pt"])
def test_the_global_generator_is_not_touched(make, saved, model, source):
    """Neither its seed nor its state."""
    saved("a.pt", model)
    seed, state = torch.initial_seed(), torch.get_rng_state()
    make(model, source).encode_images(crops())
    assert torch.initial_seed() == seed
    assert torch.equal(torch.get_rng_state(), state)


def test_threads_do_not_disturb_each_other(make):
    """Another thread's random numbers are its own while a network is built."""
    expected = [torch.rand(100, generator=torch.Generator().manual_seed(seed)) for seed in range(50)]
    found = []

    def draw():
        found.extend(torch.rand(100, generator=torch.Generator().manual_seed(seed)) for seed in range(50))

    thread = threading.Thread(target=draw)
    thread.start()
    first = make()
    thread.join()
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert torch.equal(first.encode_images(crops()), make().encode_images(crops()))


def test_missing_weights(make, offline, tmp_path):
    """It says what was tried and what to do, and does not touch the network."""
    with pytest.raises(MissingError) as caught:
        make("ViT-B-32", "laion2b_s34b_b79k")
    problem = caught.value.problem
    assert caught.value.exit_code == 4
    assert problem.argument == "pretrained"
    for word in ("laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "safetensors", str(tmp_path / "hub")):
        assert word in problem.message
    for word in ("pytti-graph fetch", "--allow-network", "pretrained: ", "perceptor.imagenet"):
        assert word in problem.hint


def test_missing_weights_are_noticed_before_the_network_is_built(make, offline, monkeypatch):
    """An error that comes at once."""
    monkeypatch.setattr("pytti_graph.nodes.clip.build", lambda *_: pytest.fail("built"))
    with pytest.raises(MissingError):
        make("ViT-L-14", "openai")


def test_a_failed_download(make, monkeypatch):
    """With the reason."""

    def fail(self):
        raise OSError("no route to host")

    monkeypatch.setattr(HubFile, "fetch", fail)
    with pytest.raises(MissingError, match=r"cannot be fetched from .*: no route to host"):
        make("ViT-B-32", network=True, pretrained="openai")


@pytest.mark.parametrize("ask", [HubFile.size, HubFile.fetch])
def test_no_network(ask, monkeypatch, make):
    """Whatever the hub's library raises, it is an OSError, at once."""

    class ConnectError(Exception):
        pass

    def fail(*_, **__):
        raise ConnectError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", fail)
    with pytest.raises(OSError, match="ConnectError: Name or service not known"):
        ask(HubFile("a/b", ("c", "d")))


def test_a_repository_has_one_of_the_names(monkeypatch, tmp_path, make):
    """The first that is there is fetched."""
    from huggingface_hub.errors import EntryNotFoundError

    def look(address):
        if address.endswith("/first"):
            raise EntryNotFoundError.__new__(EntryNotFoundError)
        return SimpleNamespace(size=7)

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", look)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repository, name: str(tmp_path / name))
    file = HubFile("a/b", ("first", "second"))
    assert (file.size(), file.fetch()) == (7, tmp_path / "second")
    with pytest.raises(OSError, match="a/b has no first"):
        HubFile("a/b", ("first",)).size()


def cache(tmp_path, repository, name, state):
    """Puts weights where the Hugging Face cache has them."""
    folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(state, folder / "snapshots" / ("0" * 40) / name)


def test_cached_weights_are_used_offline(make, saved, tmp_path, monkeypatch, offline):
    """A download made by any program."""
    known = {"hf_hub": "someone/tiny/", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    monkeypatch.setattr(
        clip_weights, "get_pretrained_cfg", lambda model, tag: known if (model, tag) == ("pg-tiny", "web") else {}
    )
    monkeypatch.setattr("pytti_graph.nodes.clip.preprocessing", clip_weights.preprocessing)
    cache(tmp_path, "someone/tiny", "open_clip_model.safetensors", saved("a.safetensors"))
    eye = make(pretrained="web")
    assert eye.name == "pg-tiny (web)"
    assert list(eye.weights) == ["open_clip_model.safetensors"]
    assert eye._mean.flatten().tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("model", "pretrained", "message", "hint"),
    [
        ("ViT-B32", "openai", "no model 'ViT-B32'", "ViT-B-32"),
        ("zzz", "openai", "no model 'zzz'", "ViT-B-32"),
        ("hf-hub:a/b", "openai", "no model 'hf-hub:a/b'", None),
        ("ViT-B-32", "laion2b_s34b_b79", "no weights 'laion2b_s34b_b79' of ViT-B-32", "laion2b_s34b_b79k"),
        ("ViT-B-32", "zzz", "no weights 'zzz'", "it knows openai"),
        ("pg-tiny", "zzz", "no weights 'zzz'", "give a file"),
        ("pg-wide", "random", "32 x 16 pixels", None),
        ("pg-foreign", "random", "another tokenizer", "ViT-B-32"),
        ("ViT-B-16-SigLIP", "webli", "another tokenizer", "ViT-B-32"),
        ("pg-tiny", "weights/a.npz", "not a file with weights", None),
    ],
)
def test_wrong_names(make, offline, model, pretrained, message, hint):
    """A clear error with what was perhaps meant."""
    with pytest.raises(UsageError, match=message) as caught:
        make(model, pretrained)
    assert hint is None or hint in caught.value.problem.hint


def test_a_missing_file(make):
    """It says where it looked."""
    with pytest.raises(MissingError, match=r"there is no file .*/gone\.pt"):
        make(pretrained="gone.pt")


def test_weights_of_another_model(make, saved, tmp_path):
    """They do not fit."""
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.pt")
    saved("c.pt", "pg-timm")
    for name in ("b.pt", "c.pt"):
        with pytest.raises(UsageError, match="does not hold weights of pg-tiny"):
            make(pretrained=name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_weights_that_are_no_numbers(make, saved, tmp_path, name):
    """As a training leaves them that has failed."""
    state = {key: tensor.clone() for key, tensor in saved("whole.pt").items()}
    state["visual.proj"].fill_(torch.nan)
    path = tmp_path / name
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    with pytest.raises(MissingError, match=r"damaged: visual\.proj holds what is no number"):
        make(pretrained=name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize("data", [b"", b"nonsense" * 100])
def test_damaged_files(make, tmp_path, name, data):
    """An error of ours, whatever the reader raises."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises((UsageError, MissingError), match=name):
        make(pretrained=name)


def test_code_in_a_pickle_is_not_run(make, tmp_path):
    """Weights are data."""
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    (tmp_path / "a.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    with pytest.raises((UsageError, MissingError)):
        make(pretrained="a.pt")
    assert not (tmp_path / "owned").exists()


def test_downloads_are_listed_without_the_network(offline):
    """For `pytti-graph fetch`; local files and random weights need none."""
    (file,) = downloads_of(clip, {"model": "ViT-B-32", "pretrained": "laion2b_s34b_b79k", "other": 1})
    assert file == HubFile(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    )
    assert "huggingface.co/laion" in file.source
    for pretrained in ("random", "a.pt"):
        assert downloads_of(clip, {"model": "ViT-B-32", "pretrained": pretrained}) == []
    assert downloads_of(make, {}) == []


def test_every_known_weight_has_an_address():
    """Of the models whose texts we can read, which are most."""
    found = 0
    for model, tag in open_clip.list_pretrained():
        with contextlib.suppress(UsageError):
            (file,) = clip_weights.downloads_for(model, tag)
            assert file.source.startswith("https://")
            found += 1
    assert found > 80


def test_a_file_of_the_web(tmp_path, monkeypatch):
    """It is kept only if its sum is right, and fetched once."""
    import hashlib
    import io

    data = b"weights" * 1000
    answer = lambda *_, **__: io.BytesIO(data)  # noqa: E731
    monkeypatch.setattr("urllib.request.urlopen", answer)
    file = WebFile("https://example.org/a.pt", tmp_path / "cache", hashlib.sha256(data).hexdigest()[:8])
    assert file.cached() is None
    assert file.fetch().read_bytes() == data
    assert file.cached() == file.fetch() == tmp_path / "cache" / "a.pt"
    wrong = WebFile("https://example.org/b.pt", tmp_path / "cache", "123")
    with pytest.raises(OSError, match="not the file expected"):
        wrong.fetch()
    with pytest.raises(OSError, match="https"):
        WebFile("http://example.org/c.pt", tmp_path).fetch()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.pt"]


def test_the_schema():
    """Every argument is explained."""
    spec = spec_of(clip)
    assert spec.returns == "Perceptor"
    assert spec.ports["size"] == "Number"
    assert [parameter.name for parameter in spec.parameters if parameter.help] == ["model", "pretrained"]
