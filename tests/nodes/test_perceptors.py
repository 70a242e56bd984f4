"""CLIP networks, small and random, through open_clip's own configuration and loading."""

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
from pytti_graph.nodes import clip_texts, clip_weights
from pytti_graph.nodes.perceptors import open_clip as clip
from pytti_graph.nodes.weight_files import sha256

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
WIDE = {**TINY, "vision_cfg": {**TINY["vision_cfg"], "image_size": [16, 32]}}
CUSTOM = {**TINY, "custom_text": True}
TIMM = {**TINY, "vision_cfg": {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"}}
RESNET = {**TINY, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}}
FOREIGN = {
    **TINY,
    "custom_text": True,
    "text_cfg": {
        **TINY["text_cfg"],
        "hf_tokenizer_name": "someone/words",
        "vocab_size": 20,
        "tokenizer_kwargs": {"clean": "canonicalize"},
    },
}
BERT = {
    **TINY,
    "text_cfg": {"hf_model_name": "someone/words", "hf_tokenizer_name": "someone/words", "context_length": 12},
}


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
        "pg-bert": BERT,
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

    def run(model="pg-tiny", pretrained="random", *, dtype=torch.float32, network=False, report=None, **more):
        device = SimpleNamespace(torch=torch.device("cpu"), dtype=dtype)
        files = SimpleNamespace(input=lambda path: (tmp_path / path).resolve(), network=network)
        return clip(device, files, report or Notes(), model, pretrained, **more)

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


@pytest.mark.parametrize(
    ("model", "pretrained", "mean", "std"),
    [
        ("MobileCLIP-S1", "a.pt", 0.0, 1.0),
        ("PE-Core-T-16-384", "a.pt", 0.5, 0.5),
        ("ViT-L-14", "laion2b_s32b_b82k", 0.5, 0.5),
        ("ViT-L-14", "a.pt", OPENAI_DATASET_MEAN[0], OPENAI_DATASET_STD[0]),
        ("pg-tiny", "a.pt", OPENAI_DATASET_MEAN[0], OPENAI_DATASET_STD[0]),
    ],
)
def test_a_file_has_the_mean_and_deviation_of_its_model(model, pretrained, mean, std):
    """Where all weights agree that open_clip knows of it."""
    means, stds = clip_weights.normalisation(model, pretrained)
    assert (means[0], stds[0], len(means), len(stds)) == (mean, std, 3, 3)


def test_mean_and_deviation_can_be_given(make, saved):
    """One without the other too."""
    saved("a.pt")
    eye = make(pretrained="a.pt", mean=[0.1, 0.2, 0.3], std=[2.0, 2.0, 4.0])
    plain = make(pretrained="a.pt", mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])
    colours = torch.tensor([[0.1, 2], [0.2, 2], [0.3, 4]]).view(3, 2, 1, 1)
    seen = plain.encode_images((crops() - colours[:, 0]) / colours[:, 1])
    torch.testing.assert_close(eye.encode_images(crops()), seen)
    with pytest.raises(UsageError, match="there are 2 numbers; it takes three") as caught:
        make(pretrained="a.pt", std=[1.0, 1.0])
    assert caught.value.problem.argument == "std"


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt", "folder/a.bin"])
def test_weights_from_a_file(make, saved, tmp_path, name, offline):
    """Their sum is kept for the record of the run."""
    (tmp_path / "folder").mkdir()
    saved(name)
    eye = make(pretrained=name)
    assert eye.weights == {name.rpartition("/")[2]: sha256(tmp_path / name)}
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


@pytest.fixture
def words(tmp_path):
    """Puts a tokenizer of transformers, and the configuration of a BERT, where the Hugging Face cache has them."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    known = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "cat", "dog"]
    built = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: n for n, word in enumerate(known)}, "[UNK]"))
    built.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    built.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", None, [("[CLS]", 1), ("[SEP]", 2)]
    )
    repository = tmp_path / "hub" / "models--someone--words"
    folder = repository / "snapshots" / ("0" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=built, **special).save_pretrained(folder)
    transformers.BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ).save_pretrained(folder)
    return folder


def test_a_tokenizer_of_transformers(make, saved, tmp_path, words, offline):
    """From the cache, without the network; embeddings are those that open_clip computes."""
    state = saved("a.pt", "pg-foreign")
    eye = make("pg-foreign", "a.pt")
    model = open_clip.create_model("pg-foreign").eval()
    model.load_state_dict(state)
    tokenizer = open_clip.get_tokenizer("pg-foreign", cache_dir=str(tmp_path / "hub"), local_files_only=True)
    tokens = tokenizer(["A cat!", "a dog"])
    assert tokens[:, :5].tolist() == [[1, 4, 5, 2, 0], [1, 4, 6, 2, 0]]
    with torch.no_grad():
        torch.testing.assert_close(eye.encode_texts(["A cat!", "a dog"]), model.encode_text(tokens, normalize=True))
    assert eye.unfamiliar("a cat " * 7) is None
    assert "only its first 14 tokens of 40 are read" in eye.unfamiliar("cat " * 40)


def test_the_files_of_a_tokenizer_are_recorded(make, saved, words):
    """They decide what a text means, so texts are read anew with others."""
    saved("a.pt", "pg-foreign")
    sums = make("pg-foreign", "a.pt").weights
    assert sums["someone/words/tokenizer.json"] == sha256(words / "tokenizer.json")
    assert {"a.pt", "someone/words/tokenizer_config.json"} <= {*sums}


def test_a_text_side_of_transformers(make, tmp_path, words, offline):
    """Built as its configuration in the cache says, with the weights of the file."""
    local = {**BERT, "text_cfg": {**BERT["text_cfg"], "hf_model_name": str(words), "hf_model_pretrained": False}}
    (tmp_path / "pg-bert-here.json").write_text(json.dumps(local))
    open_clip.add_model_config(tmp_path / "pg-bert-here.json")
    model = open_clip.create_model("pg-bert-here", pretrained_hf=False).eval()
    torch.save(model.state_dict(), tmp_path / "a.pt")
    eye = make("pg-bert", "a.pt")
    with torch.no_grad():
        expected = model.encode_text(torch.tensor([[1, 4, 5, 2] + 8 * [0]]), normalize=True)
    torch.testing.assert_close(eye.encode_texts(["a cat"]), expected)
    assert make("pg-bert").encode_texts(["a cat"]).isfinite().all()


def test_a_tokenizer_that_is_not_here(make, offline, tmp_path):
    """It says what was tried and what to do, before the network is built."""
    pytest.importorskip("transformers")
    with pytest.raises(MissingError, match="tokenizer of ViT-B-16-SigLIP cannot be found on this machine") as caught:
        make("ViT-B-16-SigLIP", "random")
    problem = caught.value.problem
    assert problem.argument == "model"
    for word in ("huggingface.co/timm/ViT-B-16-SigLIP (tokenizer)", str(tmp_path / "hub")):
        assert word in problem.message
    for word in ("pytti-graph fetch", "--allow-network", "ViT-B-32"):
        assert word in problem.hint


def test_a_tokenizer_is_fetched_where_it_may_be(make, monkeypatch, words, tmp_path):
    """Only its own files, not the weights that may lie beside them."""
    asked, elsewhere = [], (tmp_path / "hub" / "models--someone--words").rename(tmp_path / "elsewhere")

    def fetch(repository, allow_patterns):
        asked.append((repository, allow_patterns))
        elsewhere.rename(tmp_path / "hub" / "models--someone--words")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    make("pg-foreign", network=True)
    make("pg-foreign", network=True)
    [(repository, names)] = asked
    assert repository == "someone/words"
    assert {"tokenizer.json", "tokenizer_config.json", "spiece.model"} <= {*names}
    assert not [name for name in names if "pytorch_model" in name or name.endswith((".safetensors", ".py"))]


def test_a_tokenizer_that_cannot_be_fetched(make, monkeypatch):
    """With the reason."""
    pytest.importorskip("transformers")

    def fail(repository, allow_patterns):
        raise RuntimeError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(MissingError, match=r"tokenizer of pg-foreign cannot be fetched .*: no route to host"):
        make("pg-foreign", network=True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: None)
    with pytest.raises(MissingError, match=r"someone/words lacks one of tokenizer\.json or .*, tokenizer_config\.json"):
        make("pg-foreign", network=True)


def test_a_damaged_tokenizer(make, words, offline):
    """An error of ours, whatever transformers raises."""
    (words / "tokenizer.json").write_text("{")
    with pytest.raises(MissingError, match=r"tokenizer of pg-foreign in .* cannot be read") as caught:
        make("pg-foreign")
    assert "fetch it again" in caught.value.problem.hint


def test_a_tokenizer_of_which_a_part_is_here(make, words, offline):
    """As when another program has fetched the words alone."""
    (words / "tokenizer_config.json").unlink()
    with pytest.raises(MissingError, match="cannot be found on this machine"):
        make("pg-foreign")


def test_without_transformers(make, monkeypatch):
    """The hint is a command to type."""
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingError, match="pg-foreign reads texts with the package transformers") as caught:
        make("pg-foreign")
    assert "pip install 'pytti-graph[transformers]'" in caught.value.problem.hint
    assert make("pg-tiny").unfamiliar("a cat") is None


def test_the_size_of_a_tokenizer(monkeypatch):
    """Of all its files together."""
    files = [SimpleNamespace(size=3), SimpleNamespace(size=4), SimpleNamespace(path="a folder")]
    monkeypatch.setattr("huggingface_hub.HfApi.get_paths_info", lambda self, repository, names: files)
    assert clip_texts.tokenizer_files(FOREIGN).size() == 7

    def fail(*_):
        raise RuntimeError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.get_paths_info", fail)
    with pytest.raises(OSError, match="RuntimeError: no route"):
        clip_texts.tokenizer_files(FOREIGN).size()


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
    weights, tokenizer = downloads_of(clip, {"model": "ViT-B-16-SigLIP", "pretrained": "webli"})
    assert weights.repository == tokenizer.repository == "timm/ViT-B-16-SigLIP"
    assert downloads_of(clip, {"model": "ViT-B-16-SigLIP", "pretrained": "a.pt"}) == [tokenizer]


def test_every_known_weight_has_an_address():
    """And so has what reads the texts."""
    foreign = 0
    for model, tag in open_clip.list_pretrained():
        weights, *tokenizer = clip_weights.downloads_for(model, tag)
        assert all(file.source.startswith("https://") for file in (weights, *tokenizer))
        foreign += len(tokenizer)
    assert foreign > 40


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
    assert [parameter.name for parameter in spec.parameters if parameter.help] == ["model", "pretrained", "mean", "std"]
