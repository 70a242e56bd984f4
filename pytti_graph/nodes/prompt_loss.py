"""How far what is seen is from what the prompts say."""

from __future__ import annotations

import torch
from torch import Tensor

from pytti_graph import CropMask, Loss, Mask, Number, Prompts, Seen, UsageError, node
from pytti_graph.nodes.embeddings import spherical_distance
from pytti_graph.nodes.prompt_masks import area_of, crop_weights
from pytti_graph.nodes.weighing import Stop, weighed

_FARTHEST = 5.0
"""Beyond all distances, so that a prompt that stops here never pulls."""


@node("loss.prompts", detached=("mask",))
def prompts(
    seen: Seen, prompts: Prompts, weight: Number = 1.0, stop: Stop | None = None, mask: Mask | None = None
) -> Loss:
    """Pull what is seen towards the prompts.

    Prompts with a negative weight push it away. A prompt is compared with every crop, and the mean counts, to which
    crops add by their weights, if they have any; if the prompt has a mask, the mean over the crops that the mask lets
    through, so that the mask says where a prompt pulls and not how hard. Where no crop is let through, it does not
    pull. With several perceptors the mean of what they say counts.

    Args:
        seen: What a perceptor sees.
        prompts: What it should see, embedded by the same perceptor.
        weight: How much this counts beside other losses.
        stop: Lets go of all prompts once the loss, before its weight, is this small (with a negative weight: this
            large). Prompts have stops of their own.
        mask: Which crops count: each as much as the mask's mean over it, beside what the prompts' own masks say.
    """
    if len(seen.others) != len(prompts.others):
        raise UsageError(
            f"{1 + len(seen.others)} perceptors look at the picture, but {1 + len(prompts.others)} read the prompts",
            argument="prompts",
            hint="give the prompts and the crops the same list of perceptors",
        )
    within = None if mask is None else area_of(mask)
    pulls = [_pull(*pair, within) for pair in zip(seen.each, prompts.each, strict=True)]
    return weighed(torch.stack(pulls).mean() if len(pulls) > 1 else pulls[0], weight, stop)


def _pull(seen: Seen, prompts: Prompts, within: CropMask | None) -> Tensor:
    """The loss of one perceptor, before its weight."""
    if seen.embeddings.shape[-1] != prompts.embeddings.shape[-1]:
        raise UsageError(
            f"the pictures are embedded in {seen.embeddings.shape[-1]} dimensions, "
            f"the prompts in {prompts.embeddings.shape[-1]}",
            argument="prompts",
            hint="give the prompts and the crops the same perceptor",
        )
    distance = distances(seen, prompts)
    signed = prompts.weights.sign() * distance
    stops = prompts.stops.detach().clamp(max=_FARTHEST)
    stopped = torch.where(signed > stops, signed, stops)
    pulls = prompts.weights.abs() * stopped
    if any(prompts.masks) or within is not None or seen.weights is not None:
        return (pulls * crop_weights(prompts.masks or (None,), seen, within)).sum()
    return pulls.mean(0).sum()


def distances(seen: Seen, prompts: Prompts) -> Tensor:
    """How far each crop is from what each prompt wants it to mean: [N, P], 0 to 4.93."""
    found = spherical_distance(seen.embeddings, prompts.embeddings)
    if not any(prompts.targets):
        return found
    columns = [
        found[:, [index]] if target is None else spherical_distance(seen.embeddings, target(seen).unsqueeze(1))
        for index, target in enumerate(prompts.targets)
    ]
    return torch.cat(columns, 1)
