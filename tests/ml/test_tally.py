import numpy as np
import pytest
import torch

from ml import labels
from ml.datasets import face_set
from ml.training.feeding import EXACT, ShuffledOrder
from ml.training.tally import Tally


def logits_of(*rows: dict[str, float]) -> dict[str, torch.Tensor]:
    """Race logits (B, 7) of these probabilities."""
    return {"race": torch.tensor([[row.get(name, 1e-6) for name in labels.RACE] for row in rows]).log()}


def tally_of(classes: face_set.Classes) -> Tally:
    tally = Tally({"race": torch.from_numpy(classes.loss_targets(labels.RACE))})
    tally.clear(torch.device("cpu"))
    return tally


def joined_classes() -> face_set.Classes:
    """The seven groups, and of UTKFace's the two that are sums: Asian and Others."""
    sets = [
        face_set.FaceSet(np.zeros((1, 1, 1, 3), np.uint8), {"race": np.array([0])}, ("a",), {"race": classes})
        for classes in (face_set.classes_in("race"), face_set.classes_in("race", taxonomy="utkface-5"))
    ]
    return face_set.join_faces(sets).classes["race"]


def test_a_sum_does_not_outdo_its_own_part_in_joined_sets():
    classes = joined_classes()
    tally = tally_of(classes)
    east, asian, latino = (classes.names.index(name) for name in ("East Asian", "Asian", "Latino_Hispanic"))
    said = logits_of(
        {"East Asian": 0.5, "Southeast Asian": 0.3, "White": 0.2},  # right of either label
        {"East Asian": 0.5, "Southeast Asian": 0.3, "White": 0.2},
        {"White": 0.4, "East Asian": 0.35, "Southeast Asian": 0.25},  # only the sum is more than White
        {"White": 0.4, "East Asian": 0.35, "Southeast Asian": 0.25},
        {"Latino_Hispanic": 0.6, "Middle Eastern": 0.4},
    )
    tally.add(said, {"race": torch.tensor([east, asian, asian, east, latino])}, loss=torch.tensor(1.0))
    counts = tally.confusions["race"]
    assert counts[east].tolist() == [1 if n in (east, 0) else 0 for n in range(len(counts))]
    assert counts[asian, asian] == 2
    assert counts[latino, latino] == 1
    assert tally.accuracy("race") == pytest.approx(4 / 5)


def test_in_classes_apart_the_likeliest_is_said():
    tally = tally_of(face_set.classes_in("race", taxonomy="utkface-5"))
    said = logits_of({"White": 0.4, "East Asian": 0.35, "Southeast Asian": 0.25}, {"White": 0.4, "Indian": 0.6})
    tally.add(said, {"race": torch.tensor([0, 0])}, loss=torch.tensor(1.0))
    assert tally.confusions["race"][0].tolist() == [0, 0, 1, 1, 0]


def test_a_small_last_batch_weighs_as_much_as_its_examples():
    tally = tally_of(face_set.classes_in("race"))
    sure = {"White": 1.0}
    tally.add(logits_of(sure, sure, sure), {"race": torch.zeros(3, dtype=torch.long)}, loss=torch.tensor(1.0))
    tally.add(logits_of(sure), {"race": torch.zeros(1, dtype=torch.long)}, loss=torch.tensor(5.0))
    assert tally.loss() == pytest.approx(2.0)


def test_unknown_labels_are_not_counted():
    tally = tally_of(face_set.classes_in("race"))
    tally.add(
        logits_of({"White": 1.0}, {"White": 1.0}), {"race": torch.tensor([face_set.UNKNOWN, 0])}, loss=torch.ones(())
    )
    assert int(tally.confusions["race"].sum()) == 1


def test_each_output_has_its_own_loss_and_every_output_is_a_question():
    """By hand: three faces of five groups, of which one is unknown."""
    tally = tally_of(face_set.classes_in("race", taxonomy="utkface-5"))
    said = logits_of(
        {"White": 0.4, "East Asian": 0.35, "Southeast Asian": 0.25},  # an Asian, found: no output wrong
        {"White": 0.4, "Indian": 0.3, "Black": 0.3},  # a White face of whom nothing is said: one wrong
        {"Black": 1.0},
    )
    tally.add(said, {"race": torch.tensor([2, 0, face_set.UNKNOWN])}, loss=torch.tensor(9.0))
    assert tally.loss_of("race") == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2, abs=1e-4)
    assert tally.accuracy_multi() == pytest.approx(9 / 10)


def test_overlapping_classes_are_no_questions_to_each_other():
    classes = joined_classes()
    tally = tally_of(classes)
    said = logits_of({"East Asian": 0.9, "White": 0.1})
    tally.add(said, {"race": torch.tensor([classes.names.index("East Asian")])}, loss=torch.tensor(1.0))
    assert tally.accuracy_multi() == 1.0


def test_exact_ages_are_told_by_their_bin():
    tally = Tally({"age": torch.eye(9, dtype=torch.bool)})
    tally.clear(torch.device("cpu"))
    said = {"age": torch.eye(9)[[3, 3, 8, 0]] * 50.0}  # 24.5, 24.5, 76 and 1 years
    exact = torch.tensor([20.0, 30.0, 90.0, torch.nan])
    tally.add(said, {"age": torch.tensor([3, 4, 8, 0]), EXACT: exact}, loss=torch.tensor(1.0))
    overall, of_bins = tally.years_error()
    assert overall == pytest.approx((4.5 + 5.5 + 14.0) / 3)
    assert of_bins == pytest.approx([torch.nan] * 3 + [4.5, 5.5] + [torch.nan] * 3 + [14.0], nan_ok=True)


def test_pieces_are_parts_of_the_very_batches():
    whole, parts = (list(ShuffledOrder(100, 32, seed=3, pieces=pieces)) for pieces in (1, 4))
    assert [len(batch) for batch in whole] == [32, 32, 32]
    assert len(parts) == len(ShuffledOrder(100, 32, seed=3, pieces=4)) == 12
    assert sorted(position for piece in parts[:4] for position in piece) == whole[0]


def test_processes_have_the_very_pieces_of_one_process():
    alone = list(ShuffledOrder(96, 32, seed=3, pieces=2))
    shared = [list(ShuffledOrder(96, 16, seed=3, rank=rank, processes=2)) for rank in (0, 1)]
    assert [batch for step in zip(*shared, strict=True) for batch in step] == alone


def test_processes_share_out_every_example_once():
    orders = [list(ShuffledOrder(64, 8, seed=3, rank=rank, processes=2)) for rank in (0, 1)]
    seen = sorted(position for order in orders for batch in order for position in batch)
    assert seen == list(range(64))
