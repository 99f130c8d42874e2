import math

import pytest
import torch
from torch.nn import functional

from ml import labels
from ml.datasets import face_set
from ml.model import network
from ml.model.card import ModelCard
from ml.preprocess import Preset
from ml.training import losses, module, recipe
from tests.ml.conftest import TinyTrunk

# Seven probabilities of race that are easy to sum: White .4, Black .1, Latino .1, East .2, Southeast .05, Indian .05,
# Middle Eastern .1.
P = torch.tensor([0.4, 0.1, 0.1, 0.2, 0.05, 0.05, 0.1])


def utkface_covers() -> dict[str, torch.Tensor]:
    return {"race": torch.from_numpy(face_set.classes_in("race", taxonomy="utkface-5").loss_targets(labels.RACE))}


@pytest.mark.parametrize(("target", "probability"), [(0, 0.4), (2, 0.25), (4, 0.2)])
def test_a_coarse_label_costs_the_logarithm_of_the_sum_it_covers(target, probability):
    logits = {"race": P.log()[None] + 3.0}  # a constant on all logits changes nothing
    loss = losses.mean_loss(logits, {"race": torch.tensor([target])}, label_smoothing=0.0, covers=utkface_covers())
    assert loss.item() == pytest.approx(-math.log(probability), abs=1e-6)


def test_smoothing_of_a_coarse_label_by_hand():
    loss = losses.mean_loss(
        {"race": P.log()[None]}, {"race": torch.tensor([2])}, label_smoothing=0.1, covers=utkface_covers()
    )
    log_sum = sum(math.log(p) for p in (0.4, 0.1, 0.1, 0.2, 0.05, 0.05, 0.1))
    assert loss.item() == pytest.approx(-0.9 * math.log(0.25) - 0.1 / 7 * log_sum, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fine_labels_cost_plain_cross_entropy_with_or_without_covers(smoothing):
    generator = torch.Generator().manual_seed(1)
    logits = {name: torch.randn(6, len(names), generator=generator) for name, names in labels.ATTRIBUTES.items()}
    targets = {name: torch.arange(6) % len(names) for name, names in labels.ATTRIBUTES.items()}
    expected = torch.stack(
        [functional.cross_entropy(logits[name], targets[name], label_smoothing=smoothing) for name in logits]
    ).mean()
    covers = {name: torch.eye(len(names), dtype=torch.bool) for name, names in labels.ATTRIBUTES.items()}
    assert torch.equal(losses.mean_loss(logits, targets, label_smoothing=smoothing), expected)
    assert torch.allclose(
        losses.mean_loss(logits, targets, label_smoothing=smoothing, covers=covers), expected, atol=1e-6
    )


@pytest.mark.parametrize("covers", [{}, utkface_covers()])
def test_unknown_labels_cost_nothing(covers):
    logits = {"race": torch.stack([P.log(), P.flip(0).log()]), "gender": torch.zeros(2, 2)}
    targets = {"race": torch.tensor([0, -1]), "gender": torch.tensor([-1, -1])}
    loss = losses.mean_loss(logits, targets, label_smoothing=0.0, covers=covers)
    assert loss.item() == pytest.approx(-math.log(0.4), abs=1e-6)
    nobody = {name: torch.tensor([-1, -1]) for name in logits}
    assert losses.mean_loss(logits, nobody, label_smoothing=0.0, covers=covers).item() == 0.0


def test_the_gradient_of_a_coarse_label_is_finite_and_leaves_the_split_inside_it_alone():
    logits = P.log()[None].clone().requires_grad_()
    losses.mean_loss(
        {"race": logits}, {"race": torch.tensor([2])}, label_smoothing=0.0, covers=utkface_covers()
    ).backward()
    # d/dz_k of -log(sum inside) is p_k - p_k / sum for k inside, p_k outside.
    expected = P.clone()
    expected[[3, 4]] -= P[[3, 4]] / 0.25
    assert torch.allclose(logits.grad, expected[None], atol=1e-6)


def test_a_fine_head_learns_from_coarse_labels_alone(tiny):
    net, _ = tiny
    generator = torch.Generator().manual_seed(2)
    targets = {"race": torch.arange(32) % 5}
    x = torch.randn(32, 3, 16, 16, generator=generator) * 0.1 + targets["race"].view(-1, 1, 1, 1) - 2.0
    x[:, 1] *= -1  # the sign survives the ReLUs
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(120):
        loss = losses.mean_loss(net(x), targets, label_smoothing=0.0, covers=utkface_covers())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    p = torch.softmax(net.eval()(x)["race"], dim=1)  # (32, 7)
    sums = p @ utkface_covers()["race"].float().T
    assert (sums.argmax(dim=1) == targets["race"]).float().mean() > 0.9


def test_a_distant_age_costs_more_than_a_neighbouring_one():
    said = torch.eye(9)[[3, 4, 8, 3]] * 50.0  # sure of one bin each
    scores = [losses.ranked_loss(said[i : i + 1], torch.tensor([3])).item() for i in range(3)]
    assert scores == pytest.approx([0.0, 1.0, 5.0], abs=1e-4)
    known = losses.ranked_loss(said, torch.tensor([3, -1, 3, -1]))
    assert known.item() == pytest.approx(2.5, abs=1e-4)
    assert losses.ranked_loss(said, torch.full((4,), -1)).item() == 0.0


def test_a_teacher_does_not_undo_what_adjust_does(monkeypatch):
    """With the shift, logits that lack the labels' shares are what a teacher that knows them asks for."""
    heads, prior = {"gender": labels.GENDER}, torch.tensor([0.9, 0.1]).log()
    covers = {"gender": torch.eye(2, dtype=torch.bool)}
    student, taught = (network.AttributeNet(TinyTrunk(), attributes=heads).eval() for _ in range(2))
    taught.load_state_dict(student.state_dict())
    student.shift_head("gender", by=-prior)
    step = module.AttributeModule(
        student,
        recipe=recipe.Recipe(size=24, adjust=1.0, distill=1.0, dropout=0.0),
        preset=Preset(size=24),
        steps=1,
        covers=covers,
        val_covers=covers,
        prior={"gender": prior},
        teachers=[module.Teacher(taught, ModelCard("teacher", "tiny", heads, Preset(size=24)))],
    )
    monkeypatch.setattr(step, "_loss", step.objective.loss)  # which asks Lightning for the processes otherwise
    step.tally.clear(torch.device("cpu"))
    chips = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)
    step.training_step((chips, {"gender": torch.tensor([0, 1, 0, 1])}), 0).backward()
    assert max(float(p.grad.abs().max()) for p in student.heads.parameters()) < 1e-3


def test_an_exact_age_costs_its_distance_in_bins():
    """By hand: half on 20-29 and half on 40-49 is 34.5 years, one decade from 44.5; 95 counts as the last centre."""
    centres = torch.tensor(labels.scale_of("age").centres)
    half = torch.full((9,), -50.0)
    half[[3, 5]] = 0.0
    old = torch.eye(9)[8] * 50.0
    said = torch.stack([half, old, old]).requires_grad_()
    assert losses.years_loss(said[:1], torch.tensor([44.5]), centres=centres).item() == pytest.approx(1.0, abs=1e-4)
    both = losses.years_loss(said, torch.tensor([44.5, 95.0, torch.nan]), centres=centres)
    assert both.item() == pytest.approx(0.5, abs=1e-4)
    both.backward()
    assert said.grad.isfinite().all()
    assert losses.years_loss(said, torch.full((3,), torch.nan), centres=centres).item() == 0.0
