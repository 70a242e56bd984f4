"""What CLIP networks read texts with: CLIP's own tokenizer, or one of the package transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from pytti_graph import Files, MissingError
from pytti_graph.core.downloads import HubFolder, found_or_fetched
from pytti_graph.nodes.weight_files import sha256

_TOKENS = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json")
_SETTINGS, _NETWORK = "tokenizer_config.json", "config.json"
_BESIDE = (_NETWORK, "special_tokens_map.json", "added_tokens.json", "merges.txt")
_CONTEXT = 77
"""Tokens that a network reads if its configuration does not say."""
_OWN = "take a model with CLIP's own tokenizer, such as ViT-B-32, ViT-B-16 or ViT-L-14"


@dataclass(frozen=True)
class TextReader:
    """What turns texts into tokens.

    Attributes:
        tokenizer: Of open_clip: from texts to tokens [P, context_length].
        folder: Where its files are, beside the configuration of the network that reads the tokens, if that is one of
            transformers; None for CLIP's own.
        sums: Names and sha256 sums of its files.
    """

    tokenizer: Any
    folder: Path | None
    sums: Mapping[str, str]

    def measure(self, text: str) -> tuple[int, int]:
        """How many tokens a text has, and how many of them are read."""
        if self.folder is None:
            return len(self.tokenizer.encode(text)), self.tokenizer.context_length - 2
        inner = self.tokenizer.tokenizer
        tokens = inner(self.tokenizer.clean_fn(text), add_special_tokens=False, verbose=False).input_ids
        return len(tokens), self.tokenizer.context_length - inner.num_special_tokens_to_add()


def tokenizer_files(config: Mapping[str, Any]) -> HubFolder | None:
    """The files of an architecture's tokenizer, or None if it is CLIP's own, which is installed."""
    text = config["text_cfg"]
    name = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if not name:
        return None
    network = ((_NETWORK,),) if text.get("hf_model_name") else ()
    return HubFolder(name, "tokenizer", (_TOKENS, (_SETTINGS,), *network), _BESIDE)


def text_reader(model: str, config: Mapping[str, Any], files: Files) -> TextReader:
    """Find or fetch the tokenizer of an architecture, and read it.

    Raises:
        MissingError: It needs the package transformers, or another, that is not installed; or its files are not on this
            machine, cannot or may not be fetched, or are damaged.
    """
    text = config["text_cfg"]
    length, more = text.get("context_length", _CONTEXT), text.get("tokenizer_kwargs", {})
    if (needed := tokenizer_files(config)) is None:
        return TextReader(SimpleTokenizer(context_length=length, **more), None, {})
    _require_transformers(model)
    folder = found_or_fetched(needed, files, f"the tokenizer of {model}", "model", _OWN)
    try:
        tokenizer = HFTokenizer(
            str(folder), context_length=length, local_files_only=True, trust_remote_code=False, **more
        )
    except Exception as error:  # transformers raises nearly anything, and wants other packages for some
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        message = f"the tokenizer of {model} in {folder} cannot be read: {reason}"
        raise MissingError(message, argument="model", hint=f"delete and fetch it again, or {_OWN}") from error
    found = [folder / name for name in sorted(needed.names) if (folder / name).is_file()]
    return TextReader(tokenizer, folder, {f"{needed.repository}/{path.name}": sha256(path) for path in found})


def _require_transformers(model: str) -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        message = f"{model} reads texts with the package transformers, which is not installed"
        hint = f"type: pip install 'pytti-graph[transformers]', or {_OWN}"
        raise MissingError(message, argument="model", hint=hint) from error
