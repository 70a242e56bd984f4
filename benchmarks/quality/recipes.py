"""The recipes that are compared, as graphs."""

from __future__ import annotations

from typing import Any

SIZE = 256

COMMON: dict[str, dict[str, Any]] = {
    "eye": {"type": "perceptor.imagenet"},
    "story": {"type": "prompt.scenes", "perceptor": "eye"},
    "seen": {"type": "encode.cutouts", "perceptor": "eye", "cutouts": "shaken"},
    "meaning": {"type": "loss.prompts", "seen": "seen", "prompts": "story"},
    "smooth": {"type": "loss.smoothness", "image": "canvas"},
    "optimise": {"type": "optimize.adam", "losses": ["meaning", "smooth"]},
}
PYTTI: dict[str, dict[str, Any]] = {
    "canvas": {"type": "image.rgb"},
    "crops": {"type": "cutout.classic", "image": "canvas", "count": 40, "size": "eye.size"},
    "shaken": {"type": "augment.classic", "cutouts": "crops"},
    "smooth": {"weight": 0.02},
    "optimise": {"learning_rate": 0.02},
}
"""PyTTI's: pixels, 40 crops, all of its augmentations, Adam at .02 (the shipped defaults)."""
PYRAMID: dict[str, dict[str, Any]] = {
    "canvas": {"type": "image.pyramid"},
    "crops": {"type": "cutout.classic", "image": "canvas", "count": 12, "size": "eye.size"},
    "shaken": {"type": "augment.classic", "cutouts": "crops", "rotate": 6, "erase": 0},
    "smooth": {"weight": 0.3},
    "optimise": {"learning_rate": 0.05},
}
"""Layers from coarse to fine, with Adam, as in graphs/zoom.yaml."""

RECOMMENDED: dict[str, dict[str, Any]] = {
    "canvas": {"type": "image.fourier"},
    "crops": {"type": "cutout.smart", "image": "canvas", "count": 12, "size": "eye.size", "coherence": 2},
    "shaken": {"type": "augment.classic", "cutouts": "crops", "rotate": 6, "erase": 0},
    "smooth": {"weight": 0.3},
    "optimise": {"type": "optimize.schedule_free", "weight_decay": 0.1},
}
"""That of graphs/still.yaml: waves, even crops of which large ones count more, and a pull to grey."""

RECIPES = {"pytti": PYTTI, "pyramid": PYRAMID, "recommended": RECOMMENDED}


def graph(recipe: str, prompt: str, seed: int, steps: int) -> dict[str, Any]:
    """A graph that makes one picture in some steps."""
    changes = RECIPES[recipe]
    nodes = {id: {**COMMON.get(id, {}), **changes.get(id, {})} for id in {**COMMON, **changes}}
    nodes["canvas"] |= {"width": SIZE, "height": SIZE}
    nodes["story"] |= {"scenes": prompt}
    return {"seed": seed, "clock": {"steps": steps}, "nodes": nodes}
