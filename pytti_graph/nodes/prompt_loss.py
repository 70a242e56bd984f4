"""How far what is seen is from what the prompts say."""

from __future__ import annotations

import torch
from torch import Tensor

from pytti_graph import Loss, Number, Prompts, Seen, UsageError, node
from pytti_graph.nodes.embeddings import spherical_distance
from pytti_graph.nodes.prompt_masks import crop_weights


@node("loss.prompts")
def prompts(seen: Seen, prompts: Prompts, weight: Number = 1.0) -> Loss:
    """Pull what is seen towards the prompts.

    Prompts with a negative weight push it away. A prompt is compared with every crop, and the mean counts, to which
    crops add by their weights, if they have any; if the prompt has a mask, the mean over the crops that the mask lets
    through, so that the mask says where a prompt pulls and not how hard. Where no crop is let through, it does not
    pull. With several perceptors the mean of what they say counts.

    Args:
        seen: What a perceptor sees.
        prompts: What it should see, embedded by the same perceptor.
        weight: How much this counts beside other losses.
    """
    if len(seen.others) != len(prompts.others):
        raise UsageError(
            f"{1 + len(seen.others)} perceptors look at the picture, but {1 + len(prompts.others)} read the prompts",
            argument="prompts",
            hint="give the prompts and the crops the same list of perceptors",
        )
    pulls = [_pull(*pair, weight) for pair in zip(seen.each, prompts.each, strict=True)]
    return torch.stack(pulls).mean() if len(pulls) > 1 else pulls[0]


def _pull(seen: Seen, prompts: Prompts, weight: float) -> Tensor:
    """The loss of one perceptor."""
    if seen.embeddings.shape[-1] != prompts.embeddings.shape[-1]:
        raise UsageError(
            f"the pictures are embedded in {seen.embeddings.shape[-1]} dimensions, "
            f"the prompts in {prompts.embeddings.shape[-1]}",
            argument="prompts",
            hint="give the prompts and the crops the same perceptor",
        )
    distance = distances(seen, prompts)
    signed = prompts.weights.sign() * distance
    stopped = torch.where(signed > prompts.stops, signed, prompts.stops.detach())
    pulls = prompts.weights.abs() * stopped
    if any(prompts.masks) or seen.weights is not None:
        return weight * (pulls * crop_weights(prompts.masks or (None,), seen)).sum()
    return weight * pulls.mean(0).sum()


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
