"""Each way to not neglect the few, against numbers worked by hand or a reference."""

import math

import numpy as np
import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from ml.datasets.face_set import UNKNOWN
from ml.training import rare_groups
from ml.training.feeding import ShuffledOrder
from ml.training.module import moving_average
from ml.training.objective import Objective
from ml.training.recipe import Recipe

EYE = torch.eye(3, dtype=torch.bool)


@pytest.mark.parametrize("focus", [0.5, 2.0])
def test_the_focal_loss_of_two_labels_is_torchvisions(focus):
    z = torch.tensor([-3.0, -0.5, 0.0, 1.0, 60.0]).requires_grad_()
    targets = torch.tensor([0, 1, 1, 0, 1])
    logits = torch.stack([torch.zeros(5), z], dim=1)
    ours = rare_groups.example_losses(logits, targets, covers=EYE[:2, :2], focus=focus)
    theirs = sigmoid_focal_loss(z, targets.float(), alpha=-1, gamma=focus)
    assert torch.allclose(ours, theirs, atol=1e-5)
    ours.sum().backward()
    assert z.grad.isfinite().all()


def test_the_focal_loss_of_a_coarse_label_by_hand():
    """Of probabilities .2, .3 and .5, a label that covers the first two: -(1 - .5)^2 log .5."""
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log().repeat(2, 1)
    covers = torch.tensor([[True, True, False]])
    found = rare_groups.example_losses(logits, torch.tensor([0, UNKNOWN]), covers=covers, focus=2.0)
    assert found.tolist() == pytest.approx([0.25 * math.log(2), 0.0], abs=1e-6)


def test_rare_labels_have_wide_margins_and_have_to_win_by_them():
    """1, 16 and 81 examples: margins as 1, 1/2 and 1/3; even logits then cost log(1 + 2 e^margin)."""
    margins = rare_groups.ldam_margins(torch.tensor([1.0, 16.0, 81.0]).log(), widest=0.6)
    assert margins.tolist() == pytest.approx([0.6, 0.3, 0.2], abs=1e-6)
    found = rare_groups.example_losses(torch.zeros(3, 3), torch.arange(3), covers=EYE, margins=margins)
    assert found.tolist() == pytest.approx([math.log(1 + 2 * math.exp(m)) for m in (0.6, 0.3, 0.2)], abs=1e-6)


def test_the_worst_group_gains_weight_as_in_the_papers_algorithm():
    """Losses of 1 and 3 at a rate of .1: weights as e^.1 to e^.3 to 1 for a group that is not there."""
    worst = rare_groups.WorstGroups(3, rate=0.1)
    costs = torch.tensor([0.5, 1.5, 3.0, 9.0], requires_grad=True)
    loss = worst.mean(costs, torch.tensor([0, 0, 1, UNKNOWN]))
    total = math.exp(0.1) + math.exp(0.3) + 1
    expected = [math.exp(0.1) / total, math.exp(0.3) / total, 1 / total]
    assert worst.weights.tolist() == pytest.approx(expected, abs=1e-6)
    assert loss.item() == pytest.approx(expected[0] * 1 + expected[1] * 3, abs=1e-6)
    loss.backward()
    assert costs.grad.tolist() == pytest.approx([expected[0] / 2, expected[0] / 2, expected[1], 0], abs=1e-6)


def test_processes_together_weigh_the_groups_as_one_does():
    costs, groups = torch.tensor([1.0, 2.0, 4.0, 3.0]), torch.tensor([0, 1, 1, 0])
    alone = rare_groups.WorstGroups(2, rate=0.5)
    whole = alone.mean(costs, groups)
    sums = iter([torch.tensor([2.0, 2.0]), torch.tensor([4.0, 6.0])] * 2)  # of examples, then of losses, in both
    parts = []
    for part in (slice(0, 2), slice(2, 4)):
        one = rare_groups.WorstGroups(2, rate=0.5)
        parts.append(one.mean(costs[part], groups[part], add=lambda values: next(sums), processes=2))
        assert torch.allclose(one.weights, alone.weights)
    assert (sum(parts) / 2).item() == pytest.approx(whole.item(), abs=1e-6)


def test_even_sampling_draws_all_classes_alike():
    targets = np.array([0] * 60 + [1] * 30 + [3] * 5 + [UNKNOWN] * 5)
    chances = rare_groups.even_chances(targets)
    assert [chances[targets == value].sum() for value in (0, 1, 3)] == pytest.approx([0.95 / 3] * 3)
    assert chances[targets == UNKNOWN].sum() == pytest.approx(0.05)
    drawn = np.concatenate(list(ShuffledOrder(100, 50, seed=1, chances=chances, epoch=4)))
    assert np.bincount(targets[drawn] + 1, minlength=5)[4] > 15
    again = np.concatenate(list(ShuffledOrder(100, 50, seed=1, chances=chances, epoch=4)))
    assert np.array_equal(drawn, again)


@pytest.mark.parametrize("loss", ["focal", "ldam"])
def test_a_loss_that_looks_at_nothing_is_cross_entropy(loss):
    """Focus and margin of 0, several attributes, some labels coarse and some unknown."""
    generator = torch.Generator().manual_seed(3)
    covers = {"gender": torch.eye(2, dtype=torch.bool), "race": torch.eye(7, dtype=torch.bool)[:4] | False}
    covers["race"][2, 4] = True
    prior = {"gender": torch.zeros(2), "race": torch.zeros(7)}
    logits = {name: torch.randn(5, matrix.shape[1], generator=generator) for name, matrix in covers.items()}
    targets = {"gender": torch.tensor([0, 1, -1, 1, 0]), "race": torch.tensor([2, -1, -1, 3, 0])}
    plain, other = (
        Objective(Recipe(loss=name, focus=0.0, widest_margin=0.0), covers=covers, prior=prior).loss(logits, targets)
        for name in ("cross_entropy", loss)
    )
    assert torch.allclose(plain, other, atol=1e-6)


def test_the_weight_average_follows_closely_at_first_and_then_by_its_decay():
    """By hand: after one step 1 - 2/11 of the way, after 10,000 a hundredth."""
    average = [torch.zeros(2)]
    moving_average(0.99)(average, [torch.ones(2)], torch.tensor(1))
    assert average[0].tolist() == pytest.approx([9 / 11] * 2)
    moving_average(0.99)(average, [torch.ones(2)], torch.tensor(10_000))
    assert average[0].tolist() == pytest.approx([9 / 11 * 0.99 + 0.01] * 2)
