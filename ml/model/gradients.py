"""What in a chip mattered for an answer: Grad-CAM and SHAP values of a network in torch.

Both explain one number, the calibrated log-odds of a label against all others of its attribute, taken like the
product's answers over the chip and its mirror image.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.nn import functional

from ml.model.card import CheckpointError, MissingRuntime, ModelCard
from ml.model.heat_map import GRADCAM, METHODS, Explanation
from ml.model.members import BOTH, MIRRORED
from ml.model.network import FaceNet, Part
from ml.preprocess import FAIRFACE_MARGIN, to_input

SEED = 1
# What an ImageNet network ends with at 224 pixels. A stage whose map tells fewer places a side apart says little of
# where (the face ResNet-29 ends with 2): the last one before it is taken.
LEAST_PLACES = 7
BLUR_SHARE = 1 / 15  # of the chip's side: eyes, nose and mouth are gone, light and colour stay
# The way from a reference to the chip is cut into stretches, and each is sampled: without that the error is ten times
# as large. The output changes most near the reference, so stretches grow with the cube of the distance from it.
STRETCHES, STRETCH_POWER = 24, 3
STRETCHES_AT_ONCE = 4  # with mirror images eight chips: about 1 GB for a ResNet-50 at 224 pixels


class CannotExplain(CheckpointError):
    """A checkpoint that answers but cannot be explained in this way."""

    code = "no_gradients"


class NoMap(CannotExplain):
    """The network keeps no map of places that Grad-CAM could weigh."""

    code = "no_map"


@dataclass(frozen=True)
class _Question:
    """One attribute, asked of a network."""

    net: FaceNet
    card: ModelCard
    attribute: str

    def logits(self, chips: Tensor, *, half: bool = False) -> Tensor:
        """Calibrated logits (B, labels) of chips (B, 3, S, S) in 0..255: the mean over both flips."""
        x = to_input(chips, preset=self.card.preset).contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=half):
            found = self.net.look(x, attributes=frozenset({self.attribute}), together=True)[self.attribute]
        logits: Tensor = found.float() / self.card.temperatures.get(self.attribute, 1.0)
        return logits

    def log_odds(self, chips: Tensor, *, position: int, half: bool = False) -> Tensor:
        """Calibrated log-odds (B,) of the label at `position` against all others."""
        logits = self.logits(chips, half=half)
        others = torch.cat([logits[:, :position], logits[:, position + 1 :]], dim=1)
        return logits[:, position] - others.logsumexp(dim=1)


def explain_chip(
    net: FaceNet,
    card: ModelCard,
    chip: np.ndarray,
    *,
    attribute: str,
    label: str | None = None,
    method: str = GRADCAM,
    half: bool = False,
    seed: int = SEED,
) -> Explanation:
    """Explain one answer about one chip (S, S, 3) uint8 of the network's size, by "gradcam" or "shap".

    `net` is in evaluation mode, folded or not; `label` None is the most probable one. `half` computes
    SHAP values in bfloat16, where the device is faster so. The same arguments give the same values. Raises ValueError
    for names that are not known, NoMap where Grad-CAM finds nothing to weigh, MissingRuntime without captum.
    """
    if method not in METHODS:
        raise ValueError(f"no method called {method!r}; known: {', '.join(METHODS)}")
    if attribute not in card.labels:
        raise ValueError(f"{card.name} knows no attribute {attribute!r}; known: {', '.join(card.labels)}")
    names = card.labels[attribute]
    if label is not None and label not in names:
        raise ValueError(f"{card.name} knows no label {label!r} of {attribute}; known: {', '.join(names)}")
    device = next(net.parameters()).device
    x = torch.from_numpy(np.array(chip)).to(device).permute(2, 0, 1)[None].float()  # (1, 3, S, S)
    question = _Question(net, card, attribute)
    with torch.no_grad():
        vector = question.logits(x).softmax(dim=1)[0]
        position = int(vector.argmax()) if label is None else names.index(label)
        output = float(question.log_odds(x, position=position))
    places, reference = len(chip), None
    if method == GRADCAM:
        values, places = _weigh_map(question, x, position=position)
    else:
        values, reference = _sum_stretches(question, x, position=position, half=half, seed=seed)
    return Explanation(
        method=method,
        attribute=attribute,
        label=names[position],
        probability=float(vector[position]),
        values=values,
        places=places,
        output=output,
        reference_output=reference,
        shown=(1 + 2 * card.preset.margin) / (1 + 2 * FAIRFACE_MARGIN),
    )


def references(chip: np.ndarray, *, card: ModelCard) -> np.ndarray:
    """What SHAP values compare a chip (S, S, 3) with: (2, S, S, 3) uint8.

    The chip blurred until its features are gone, which leaves its light and colour to both sides, and an even colour
    (the mean of chips in the card's preset), against which light and colour count too.
    """
    blurred = Image.fromarray(chip).filter(ImageFilter.GaussianBlur(BLUR_SHARE * len(chip)))
    even = np.broadcast_to(np.round(card.preset.mean).astype(np.uint8), chip.shape)
    return np.stack([np.asarray(blurred), even])


def _sum_stretches(question: _Question, x: Tensor, *, position: int, half: bool, seed: int) -> tuple[np.ndarray, float]:
    """SHAP values (S, S), summed over the channels, and the references' average log-odds (GradientShap).

    Each stretch of the way from a reference to the chip is one example for captum: its beginning is the baseline, and
    captum samples a point of it, so that the stretches' values add up.
    """
    captum = load_captum()

    def along(offset: Tensor, begin: Tensor) -> Tensor:
        return question.log_odds(begin + offset, position=position, half=half)

    shap = captum.GradientShap(along)
    chip = x[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    compared = torch.from_numpy(references(chip, card=question.card)).to(x.device).permute(0, 3, 1, 2).float()
    edges = (torch.arange(STRETCHES + 1, device=x.device) / STRETCHES) ** STRETCH_POWER
    total = torch.zeros_like(x)
    with _own_chance(seed):
        for reference in compared.split(1):
            way = x - reference
            points = reference + way * edges.view(-1, 1, 1, 1)  # (STRETCHES + 1, 3, S, S)
            for begin, end in zip(
                points[:-1].split(STRETCHES_AT_ONCE), points[1:].split(STRETCHES_AT_ONCE), strict=True
            ):
                found = shap.attribute(
                    end - begin,
                    baselines=torch.zeros_like(x),
                    n_samples=1,
                    stdevs=0.0,
                    additional_forward_args=(begin,),
                )
                total += found.detach().sum(dim=0, keepdim=True)
    with torch.no_grad():
        outputs = question.log_odds(compared, position=position)
    return (total / len(compared)).sum(dim=1)[0].cpu().numpy().astype(np.float32), float(outputs.mean())


def load_captum() -> Any:
    """captum.attr, imported when it is needed: with the matplotlib in it that takes seconds. Raises MissingRuntime."""
    try:
        import captum.attr
    except ImportError as error:
        raise MissingRuntime("SHAP values need captum, which is not installed: pip install captum") from error
    return captum.attr


@contextmanager
def _own_chance(seed: int) -> Iterator[None]:
    """Seed the generators that captum draws from, and give them back as they were."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)


def _weigh_map(question: _Question, x: Tensor, *, position: int) -> tuple[np.ndarray, int]:
    """Grad-CAM (Selvaraju and others, ICCV 2017): the map (S, S), 0..1, and how many places a side it tells apart.

    Each channel of the last stage with a map is weighed by the mean of its gradient; what is left above zero spoke for
    the label. The map of the mirror image is turned back and averaged in. Of joined networks each has a map, 0..1,
    which counts as much as its answer does.
    """
    parts = question.net.parts()
    stages = [_find_stage(question, x, part=part) for part in parts]
    kept: dict[int, Tensor] = {}

    def keep_as(number: int) -> Callable[..., Tensor]:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            kept[number] = output
            return output.clone()  # the next layer may write into what it gets

        return keep

    hooks = [stage.register_forward_hook(keep_as(number)) for number, (stage, _) in enumerate(stages)]
    try:
        with torch.enable_grad():
            asked = question.log_odds(x.clone().requires_grad_(), position=position)
            gradients = torch.autograd.grad(asked.sum(), [kept[number] for number in range(len(parts))])
    finally:
        for hook in hooks:
            hook.remove()
    heat, places = x.new_zeros(x.shape[2:]), []
    for number, (part, (_, as_map)) in enumerate(zip(parts, stages, strict=True)):
        activation, gradient = as_map(kept[number].detach()).float(), as_map(gradients[number]).float()
        found = functional.relu((gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1, keepdim=True))
        if part.views == BOTH:
            found = (found[:1] + found[1:].flip(3)) / 2
        elif part.views == MIRRORED:
            found = found.flip(3)
        heat += part.weight * _lay_in_chip(found, share=part.share, side=len(heat))
        places.append(round(min(activation.shape[2:]) / part.share))
    return _to_one(heat).cpu().numpy(), min(places)


def _lay_in_chip(found: Tensor, *, share: float, side: int) -> Tensor:
    """A map (1, 1, h, w) of the middle `share` of a chip as heat of 0..1 over all of the chip: (side, side)."""
    inner = round(side * share)
    heat = functional.interpolate(found, size=(inner, inner), mode="bilinear", align_corners=False)[0, 0]
    before = (side - inner) // 2
    after = side - inner - before
    return functional.pad(_to_one(heat), (before, after, before, after))


def _to_one(heat: Tensor) -> Tensor:
    highest = heat.max()
    return heat / highest if highest > 0 else heat


def _find_stage(question: _Question, x: Tensor, *, part: Part) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """The part's last module whose output is a map of enough places, and what turns its output into (B, C, h, w)."""
    trunk = part.trunk
    inner: Any = getattr(trunk, "net", trunk)
    if hasattr(inner, "num_prefix_tokens") and hasattr(inner, "blocks"):
        # A transformer's answer may hang on one token alone, so the last layer in which the others count is taken.
        grid = inner.patch_embed.grid_size
        return inner.blocks[-1].norm1, lambda tokens: _lay_tokens(tokens, grid=grid, left_out=inner.num_prefix_tokens)
    as_map = _channels_first if getattr(inner, "output_fmt", "NCHW") == "NHWC" else _unchanged
    met: list[nn.Module] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(as_map(output).shape[2:]) >= LEAST_PLACES:
            met.append(module)

    hooks = [module.register_forward_hook(note) for module in trunk.modules()]
    try:
        with torch.no_grad():
            question.logits(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not met:
        told = f"{part.name}, a member of {question.card.name}," if part.name else question.card.arch
        raise NoMap(f"{told} keeps no map of places for Grad-CAM; SHAP values work with every network")
    return met[-1], as_map


def _unchanged(output: Tensor) -> Tensor:
    return output


def _channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2)


def _lay_tokens(tokens: Tensor, *, grid: Sequence[int], left_out: int) -> Tensor:
    """The tokens (B, left_out + h w, C) of patches back in their places: (B, C, h, w)."""
    places: Tensor = tokens[:, left_out:].transpose(1, 2).unflatten(2, tuple(grid))
    return places
