"""The built-in nodes keep the contract."""

import json
from pathlib import Path

import open_clip
import pytest

from pytti_graph.testing import contract

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module", autouse=True)
def architecture(tmp_path_factory):
    """Makes open_clip know a small model."""
    path = tmp_path_factory.mktemp("models") / "pg-contract.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)


test_contract = contract(
    "pytti-graph",
    examples={
        "picture.tile": {"overlap": 4},
        "picture.coarse": {"image": {"type": "tiny.image", "width": 32, "height": 24}, "resolution": 0.7},
        "cutout.smart": {"coherence": 1},
        "image.latent": {"model": "random"},
        "image.network": {"start_steps": 5, "units": 16},
        "prompt.pictures": {"folder": HERE},
        "source.image": {"path": HERE / "tiny.png"},
        "source.mask": {"path": HERE / "tiny.png"},
        "source.video": {"path": HERE / "tiny.mkv"},
        "loss.aesthetic": {"path": HERE / "head.safetensors"},
        "loss.lpips": {"network": "squeeze", "pretrained": "random"},
        "perceptor.open_clip": {"model": "pg-contract", "pretrained": "random"},
    },
    allowed={
        "image.latent": ["image"],  # random weights copy no picture
        "loss.symmetry": ["gradients"],  # what lies outside its mask stays as it is
    },
)
