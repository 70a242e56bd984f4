"""Networks that see."""

from __future__ import annotations

from typing import Annotated

from pytti_graph import Bounds, Device, Files, Perceptor, Report, node
from pytti_graph.core.downloads import Download, downloads


def _downloads(model: str, pretrained: str) -> list[Download]:
    from pytti_graph.nodes.clip_weights import downloads_for

    return downloads_for(model, pretrained)


@downloads(_downloads)
@node("perceptor.open_clip")
def open_clip(
    device: Device,
    files: Files,
    report: Report,
    model: str = "ViT-B-32",
    pretrained: str = "laion2b_s34b_b79k",
    mean: list[float] | None = None,
    std: list[Annotated[float, Bounds(gt=0)]] | None = None,
) -> Perceptor:
    """Look with CLIP, which knows nearly everything.

    Its networks have learned from most of what pictures on the web show.

    CLIP understands subjects, moods, styles and the names of artists. Its weights are not part of the installation:
    they are looked for in the Hugging Face cache, where `pytti-graph fetch GRAPH` puts them once, and a rendering with
    `--allow-network` too. A file that you have works as well.

    Args:
        model: Architecture by its open_clip name. ViT-B-32 is quick; ViT-B-16 and ViT-L-14 see finer detail and take
            longer. Some, such as ViT-B-16-SigLIP, read texts with the package transformers:
            pip install 'pytti-graph[transformers]'.
        pretrained: Weights by their open_clip name ("laion2b_s34b_b79k", "openai"), or a file (.safetensors, .pt, .bin)
            relative to the graph's folder; a file of OpenAI's weights needs a model whose name ends in -quickgelu.
            "random" takes untrained weights, to try a graph out: its pictures will mean nothing.
        mean: What was taken off the red, green and blue of the pictures that a file of weights was trained with, 0..1.
            Not given, as open_clip knows it of the model.
        std: What they were divided by after that.
    """
    from pytti_graph.nodes.clip import load

    return load(model, pretrained, mean, std, device=device, files=files, report=report)
