import math

import numpy as np
import pytest
from scipy.stats import binomtest

from ml import labels, metrics
from ml.measuring import label_thresholds
from ml.model import temperature_scaling


def test_accuracies_of_a_handful():
    predicted, actual = np.array([0, 1, 2, 2, 4]), np.array([0, 2, 2, 0, 3])
    assert metrics.accuracy(predicted, actual) == 0.4
    assert metrics.by_group(predicted, actual, groups=np.array([0, 0, 1, 1, 1]), count=2) == [0.5, pytest.approx(1 / 3)]


def test_balanced_accuracy_counts_every_class_that_occurs_alike():
    # Three of four right in class 0, none of one in class 1, class 2 does not occur.
    predicted, actual = np.array([0, 0, 0, 1, 0]), np.array([0, 0, 0, 0, 1])
    assert metrics.balanced_accuracy(predicted, actual, count=3) == pytest.approx(0.375)
    assert np.isnan(metrics.balanced_accuracy(predicted[:0], actual[:0], count=3))


def test_accuracy_by_prediction_is_precision():
    predicted, actual = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert metrics.by_group(predicted, actual, groups=predicted, count=2) == [pytest.approx(2 / 3), 1.0]


@pytest.mark.parametrize(("right", "count"), [(8, 10), (0, 5), (5, 5), (1, 1), (699, 1000)])
def test_wilsons_interval_is_scipys(right, count):
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert metrics.wilson_interval(right, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilsons_interval_by_hand():
    # (0.8 + 3.8415 / 20 ± 1.96 sqrt(0.016 + 3.8415 / 400)) / 1.38415
    assert metrics.wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert np.isnan(metrics.wilson_interval(0, 0)).all()


def test_a_confusion_has_labels_in_rows():
    counts = metrics.confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), count=2)
    assert counts.tolist() == [[1, 1], [0, 1]]


def test_calibration_error_by_hand():
    # Two at 0.9 of which one is right, two at 0.6 of which one is right: (0.4 + 0.1) / 2.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert metrics.calibration_error(probabilities, np.array([0, 1, 0, 1])) == pytest.approx(0.25)


def test_reliability_bins_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [1.0, 0.0]])
    bins = metrics.reliability_bins(probabilities, np.array([0, 1, 0, 0]), bins=4)
    assert bins.counts.tolist() == [0, 0, 1, 3]
    assert bins.accuracy[2:].tolist() == pytest.approx([1, 2 / 3])
    assert bins.confidence[2:].tolist() == pytest.approx([0.6, 2.8 / 3])
    assert np.isnan(bins.accuracy[:2]).all()


def test_coverage_by_hand():
    # Surest first: right at 0.9, wrong at 0.8, right at 0.7, wrong at 0.6.
    probabilities = np.array([[0.4, 0.6], [0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
    curve = metrics.coverage_curve(probabilities, np.array([0, 0, 1, 1]), shares=(0.01, 0.5, 0.75, 1.0))
    assert [(point.count, point.threshold) for point in curve] == [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)]
    assert [point.accuracy for point in curve] == pytest.approx([1, 0.5, 2 / 3, 0.5])
    assert metrics.coverage_curve(probabilities[:0], np.array([], dtype=int), shares=(0.5,)) == []


def test_the_surest_are_those_with_the_largest_top():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    assert metrics.accuracy_of_surest(probabilities, np.array([0, 1, 1]), share=2 / 3) == 1.0


def test_a_temperature_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4)) * 2
    vectors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    actual = (vectors.cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)
    assert temperature_scaling.fit_temperature(logits * 3, actual) == pytest.approx(3, rel=0.05)


def test_a_threshold_is_the_lowest_that_keeps_the_promise(monkeypatch):
    monkeypatch.setattr(label_thresholds, "LEAST_SURE", 1)
    monkeypatch.setattr(label_thresholds, "SLACK", 1.0)

    def fit(confidence, right, target):
        return label_thresholds.fit_label([(np.array(confidence), np.array(right))], target=target).value

    confidence, right = [0.6, 0.7, 0.8, 0.9], [False, False, True, True]
    assert fit(confidence, right, 0.5) == 0.5
    assert fit(confidence, right, 0.6) == pytest.approx(0.61)
    assert fit(confidence, right, 1.0) == pytest.approx(0.71)
    assert fit([0.3, 0.3, 0.55], [True, True, True], 0.5) == 0.5  # never one that is less likely than not
    assert fit(confidence, [True, True, False, False], 1.0) is None
    assert fit([0.985, 0.995], [False, True], 1.0) == 0.99


def test_a_label_is_sure_only_where_enough_faces_bound_its_precision():
    def fit(right, count, target=0.8, more=()):
        faces = np.arange(count) < right
        return label_thresholds.fit_label([(np.full(count, 0.9), faces), *more], target=target)

    assert label_thresholds.bound_below(40, 50) == pytest.approx(0.7087, abs=1e-4)  # Clopper and Pearson, 90 %
    assert math.isnan(label_thresholds.bound_below(0, 0))
    assert fit(49, 49).value is None  # all right, and too few
    assert (fit(49, 49).faces, fit(49, 49).precision) == (49, 1.0)
    assert fit(40, 50).value is None  # 80 % right, but 71 % cannot be excluded
    assert fit(42, 50).value == 0.5  # 75.3 % or more
    assert fit(159, 200).value is None  # under the target
    other_way = (np.full(60, 0.9), np.arange(60) < 46)
    assert fit(200, 200, more=[other_way]) == fit(46, 60)  # the worst way decides
    assert fit(0, 0).value is None


def test_every_attribute_and_taxonomy_has_a_target():
    assert {name: tuple(found) for name, found in temperature_scaling.TARGETS.items()} == {
        name: labels.taxonomies_of(name) for name in labels.ATTRIBUTES
    }
