"""Autoencoders of diffusers, small and random: decoded, encoded, moved; loaded, and refused."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pytti_graph import Graph, MissingError, UsageError
from pytti_graph.core.downloads import HubFile, downloads_of
from pytti_graph.nodes import latent, latent_weights, motion

diffusers = pytest.importorskip("diffusers")

VQ = {
    "_class_name": "VQModel",
    "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "latent_channels": 4,
    "vq_embed_dim": 3,
    "num_vq_embeddings": 16,
    "norm_num_groups": 4,
}
TINY = {
    "_class_name": "AutoencoderTiny",
    "encoder_block_out_channels": [8, 8, 8],
    "decoder_block_out_channels": [8, 8, 8],
    "num_encoder_blocks": [1, 1, 1],
    "num_decoder_blocks": [1, 1, 1],
    "latent_channels": 5,
}
AMUSED = {**VQ, "lookup_from_codebook": True}
CONFIGS = {"vq": VQ, "tiny": TINY, "amused": AMUSED}
BLACK = {"vq": -1, "tiny": -1, "amused": 0}


def build(config):
    """A network with weights of its own, large enough that pictures differ."""
    generator = torch.Generator().manual_seed(0)
    network = getattr(diffusers, config["_class_name"]).from_config(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.1 if parameter.ndim == 1 else (2 / parameter[0].numel()) ** 0.5
            drawn = torch.randn(parameter.shape, generator=generator) * spread
            parameter.copy_(drawn + float("norm" in name and name.endswith("weight")))
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for each kind of network, as diffusers saves it."""
    top = tmp_path_factory.mktemp("weights")
    for name, config in CONFIGS.items():
        build(config).save_pretrained(top / name)
    return top


@pytest.fixture
def make(tmp_path, monkeypatch, device, stream, folder):
    """Makes an image; the cache is empty, and any use of the network fails the test."""

    def refuse(*arguments, **named):
        raise AssertionError("the network was used")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)

    def run(name=None, *, network=False, warnings=None, **given):
        warned = [] if warnings is None else warnings
        report = SimpleNamespace(warn=lambda message, argument=None, offset=0: warned.append((message, argument)))
        files = SimpleNamespace(network=network)
        given = {"width": 32, "height": 24, "folder": name and folder / name, **given}
        return latent.Latent(device, stream, files, report, **given)

    return run


@pytest.mark.parametrize(("name", "channels", "scale"), [("vq", 3, 2), ("tiny", 5, 4)])
def test_the_code_is_small(make, name, channels, scale):
    canvas = make(name, width=30, height=21)
    assert canvas.parameters()["code"].shape == (1, channels, -(-21 // scale), -(-30 // scale))
    picture = canvas.forward()
    assert picture.shape == (1, 3, 21, 30)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert picture.std() > 0.02


@pytest.mark.parametrize("name", CONFIGS)
def test_it_computes_what_diffusers_computes(make, natural, name):
    """With pictures of -1 to 1 on its side, or of 0 to 1 where it is a VQGAN of aMUSEd."""
    canvas, network = make(name), build(CONFIGS[name])
    picture, black = natural(24, 32), BLACK[name]
    with torch.no_grad():
        canvas.start(picture)
        code = network.encode(picture if black == 0 else 2 * picture - 1).latents
        torch.testing.assert_close(canvas.code, code)
        if name != "tiny":
            code = latent.within_book(code, network.quantize.embedding.weight)
        decoded = network.decode(code).sample
        torch.testing.assert_close(canvas.forward(), (decoded if black == 0 else (decoded + 1) / 2).clamp(0, 1))


@pytest.mark.parametrize("name", CONFIGS)
def test_only_the_code_is_trained(make, name):
    canvas = make(name)
    canvas.forward().mean().backward()
    assert canvas.code.grad.isfinite().all()
    assert canvas.code.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in canvas.network.parameters())


def test_a_book_begins_with_codes_of_its_own(make):
    canvas = make("vq")
    drawn, book = canvas.code.detach()[0].flatten(1).T, canvas.network.quantize.embedding.weight
    assert (drawn.unsqueeze(1) == book).all(-1).any(1).all()
    assert len(torch.unique(drawn, dim=0)) > 8


def test_the_nearest_code_is_shown_and_gradients_pass_straight_through(make, stream):
    canvas = make("vq")
    book = canvas.network.quantize.embedding.weight
    nearest = canvas.code.detach().clone()
    with torch.no_grad():
        gaps = torch.cdist(book, book).fill_diagonal_(torch.inf).min()
        canvas.code.add_(0.2 * gaps * torch.nn.functional.normalize(stream.normal(*nearest.shape), dim=1))
    shown = nearest.requires_grad_()
    sample = canvas.network.decode(shown, force_not_quantize=True).sample
    expected = latent.clamp_passing_inwards((sample[..., :24, :32] + 1) / 2)
    torch.testing.assert_close(canvas.forward(), expected, atol=1e-5, rtol=0)
    canvas.forward().square().mean().backward()
    expected.square().mean().backward()
    low, high = (edge.view(1, 3, 1, 1) for edge in (book.amin(0), book.amax(0)))
    inside = (canvas.code.detach() > low) & (canvas.code.detach() < high)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(canvas.code.grad[inside], shown.grad[inside], atol=1e-6, rtol=1e-3)


def test_a_code_stays_within_its_book():
    book = torch.tensor([[0.0, 5.0], [1.0, 5.0]])
    code = torch.tensor([[-1.0, 5.0], [0.5, 5.0], [3.0, 5.0]]).T.view(1, 2, 1, 3).requires_grad_()
    kept = latent.within_book(code, book)
    assert kept[0, 0, 0].tolist() == [0, 0.5, 1]
    assert kept[0, 1].tolist() == [[5, 5, 5]]
    kept[0, 0].sum().backward()
    assert code.grad[0, 0, 0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_decoded_moved_and_encoded(make, name):
    canvas = make(name)
    warp = motion.affine(zoom=1.1)
    moved = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    with torch.no_grad():
        seen = moved if BLACK[name] == 0 else 2 * moved - 1
        torch.testing.assert_close(canvas.code, canvas.network.encode(seen).latents)


def test_with_an_autoencoder_that_copies_exactly_the_picture_moves(make, monkeypatch, natural, psnr):
    """What is lost in moving is lost by the autoencoder; sizes that its scale does not divide make no difference."""

    class Copier(torch.nn.Module):
        config = SimpleNamespace(latent_channels=48, get=lambda name: None)

        def encode(self, picture):
            return SimpleNamespace(latents=F.pixel_unshuffle(picture, 4))

        def decode(self, code):
            return SimpleNamespace(sample=F.pixel_shuffle(code, 4))

    copier = Copier()
    copier.register_parameter("unit", torch.nn.Parameter(torch.ones(())))
    monkeypatch.setattr(latent_weights, "load", lambda *given: (copier, {}))
    canvas = make("tiny", width=61, height=47)
    canvas.start(natural(47, 61))
    assert psnr(canvas.forward(), natural(47, 61)) > 60
    warp = motion.affine(zoom=1.03, rotate=2)
    expected = motion.apply(canvas.forward().detach(), warp)
    canvas.warp(warp)
    assert psnr(canvas.forward(), expected) > 60


def test_random_weights_are_the_streams_and_warned_of(make):
    warnings = []
    before = torch.get_rng_state()
    canvas = make(model="random", warnings=warnings)
    assert torch.equal(torch.get_rng_state(), before)
    assert canvas.forward().std() > 0.02
    assert warnings == [("its weights are random: pictures will mean nothing", "model")]


def test_files_with_former_names_and_of_torch_are_read(make, folder, tmp_path):
    """As they were saved before diffusers 0.14."""
    state = build(VQ).state_dict()
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in former.items():
        state = {name.replace(f".{new}.", f".{old}."): tensor for name, tensor in state.items()}
    assert any(".query." in name for name in state)
    (tmp_path / "config.json").write_text(json.dumps(VQ))
    torch.save(state, tmp_path / "diffusion_pytorch_model.bin")
    canvas = make("vq")
    old = make(folder=tmp_path)
    with torch.no_grad():
        old.code.copy_(canvas.code)
    assert torch.equal(old.forward(), canvas.forward())


def save(tmp_path, config, state=None, name="diffusion_pytorch_model.safetensors"):
    (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if isinstance(state, bytes):
        (tmp_path / name).write_bytes(state)
    else:
        from safetensors.torch import save_file

        save_file(state or {}, tmp_path / name)
    return tmp_path


def test_weights_of_another_architecture(make, tmp_path):
    for config, state, words in (
        ({"_class_name": "UNet2DModel"}, None, "of UNet2DModel, not of VQModel or AutoencoderTiny"),
        ({"hidden_size": 3}, None, "of an unknown network"),
        (VQ, build(TINY).state_dict(), r"do not fit their config.json: it lacks \S+ and \d+ more"),
        (
            {**VQ, "vq_embed_dim": 2},
            build(VQ).state_dict(),
            r"do not fit their config.json: \S+ has shape \[.*\], where the network has \[",
        ),
        ({**VQ, "down_block_types": ["Nothing"] * 2}, None, "not a configuration that diffusers can build"),
    ):
        with pytest.raises(UsageError, match=words):
            make(folder=save(tmp_path, config, state))


def test_files_that_are_not_there_or_damaged(make, tmp_path):
    with pytest.raises(MissingError, match="no autoencoder in"):
        make(folder=tmp_path)
    with pytest.raises(MissingError, match=r"config\.json cannot be read"):
        make(folder=save(tmp_path, "{"))
    with pytest.raises(MissingError, match=r"config\.json cannot be read: it holds no mapping"):
        make(folder=save(tmp_path, "[]"))
    with pytest.raises(MissingError, match=r"safetensors cannot be read"):
        make(folder=save(tmp_path, VQ, b"junk"))


@pytest.mark.parametrize("model", ["imagenet", "coco", "wikiart", "openimages", "sflckr"])
def test_the_names_of_pyttis_vqgans(make, model):
    """They are checkpoints of another format; the error says what to write, and `fetch` says it too."""
    for ask in (lambda: make(model=model), lambda: downloads_of(latent.Latent, {"model": model, "folder": None})):
        with pytest.raises(UsageError, match=f"'{model}' is PyTTI's name of a checkpoint of taming-transf") as raised:
            ask()
        assert "format of diffusers, such as amused/amused-256/vqvae" in raised.value.problem.hint


@pytest.mark.parametrize("given", ["", "sflckr.ckpt"])
def test_a_checkpoint_of_taming_transformers(make, tmp_path, given):
    """In a folder, or named itself."""
    (tmp_path / "sflckr.yaml").write_text("model: {}")
    (tmp_path / "sflckr.ckpt").write_bytes(b"weights")
    with pytest.raises(UsageError, match=r"sflckr\.ckpt is a checkpoint, as taming-transformers saves") as raised:
        make(folder=tmp_path / given)
    assert "format of diffusers" in raised.value.problem.hint
    assert raised.value.problem.argument == "folder"


def test_a_model_of_the_hub_that_is_not_here(make, monkeypatch):
    with pytest.raises(MissingError, match="madebyollin/taesd cannot be found on this machine") as raised:
        make(model="madebyollin/taesd")
    assert "pytti-graph fetch" in raised.value.problem.hint

    def unreachable(self):
        raise OSError("no route")

    monkeypatch.setattr(HubFile, "fetch", unreachable)
    with pytest.raises(MissingError, match=r"cannot be fetched .* no route"):
        make(model="madebyollin/taesd", network=True)


def test_a_model_of_the_hub_is_fetched_where_it_may_be(make, monkeypatch, folder):
    fetched = []

    def fetch(self):
        fetched.append(self.names[0])
        return folder / "tiny" / self.names[0].rpartition("/")[2]

    monkeypatch.setattr(HubFile, "fetch", fetch)
    make(model="owner/name/vae", network=True)
    assert fetched == ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]


def test_what_has_to_be_fetched():
    files = downloads_of(latent.Latent, {"model": "amused/amused-256/vqvae", "folder": None})
    assert [file.repository for file in files] == ["amused/amused-256"] * 2
    assert files[0].names == ("vqvae/config.json",)
    assert files[1].names == ("vqvae/diffusion_pytorch_model.safetensors", "vqvae/diffusion_pytorch_model.bin")
    assert downloads_of(latent.Latent, {"model": "a/b", "folder": "here"}) == []
    assert downloads_of(latent.Latent, {"model": "random", "folder": None}) == []
    for wrong in ("taesd", "https://example.org/a", "a b/c"):
        with pytest.raises(UsageError, match="is not the name of a model"):
            downloads_of(latent.Latent, {"model": wrong, "folder": None})


def test_without_diffusers(make, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(MissingError, match="needs the package diffusers") as raised:
        make("tiny")
    assert raised.value.problem.hint == "type: pip install 'pytti-graph[latent]'"


def test_in_a_graph():
    graph = Graph.build(
        {
            "seed": 1,
            "clock": {"frames": 2, "steps": 2},
            "nodes": {
                "drift": {"type": "motion.affine", "zoom": 1.1},
                "canvas": {"type": "image.latent", "model": "random", "width": 24, "height": 16, "warp": "drift"},
                "plain": {"type": "loss.smoothness", "image": "canvas"},
                "optimise": {"type": "optimize.adam", "losses": ["plain"]},
            },
        }
    )
    frames = list(graph.render(output="canvas"))
    assert [frame.tensor.shape for frame in frames] == [(1, 3, 16, 24)] * 2
    assert all(frame.tensor.isfinite().all() for frame in frames)


def test_a_run_records_what_its_weights_were(folder, tmp_path):
    """By file and sum."""
    nodes = {
        "canvas": {"type": "image.latent", "folder": str(folder / "tiny"), "width": 16, "height": 16},
        "smooth": {"type": "loss.smoothness", "image": "canvas"},
        "optimise": {"type": "optimize.adam", "losses": ["smooth"]},
        "picture": {"type": "write.frames", "image": "canvas"},
    }
    graph = Graph.build({"seed": 1, "clock": {"steps": 1}, "nodes": nodes})
    list(graph.render(tmp_path / "run", allow_paths=[folder]))
    [(name, sums)] = json.loads((tmp_path / "run" / "run.json").read_text())["weights"].items()
    assert name == "tiny"
    weights = folder / "tiny" / "diffusion_pytorch_model.safetensors"
    assert sums == {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}
