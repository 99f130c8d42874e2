import numpy as np
import pytest
from scipy.optimize import nnls

from ml.shares import simplex


def test_an_invertible_matrix_is_inverted():
    matrix = np.array([[0.9, 0.2], [0.1, 0.8]])
    assert simplex.solve(matrix[None], np.array([[0.55, 0.45]]))[0] == pytest.approx([0.5, 0.5])


def test_what_no_shares_can_bring_ends_at_the_border():
    matrix = np.array([[0.9, 0.2], [0.1, 0.8]])
    found = simplex.solve(np.stack([matrix, matrix]), np.array([[0.95, 0.05], [0.1, 0.9]]))
    assert found == pytest.approx(np.array([[1, 0], [0, 1]]))


@pytest.mark.parametrize("count", [2, 5, 7, 14])
def test_it_is_scipys_minimum(count):
    """Non-negative least squares with the sum held by a heavy row, one problem at a time."""
    rng = np.random.default_rng(count)
    matrices = rng.dirichlet(np.ones(count), size=(60, count)).swapaxes(1, 2) + 0.8 * np.eye(count)
    matrices /= matrices.sum(axis=1, keepdims=True)
    shares = rng.dirichlet(np.full(count, 0.3), size=60)
    found = simplex.solve(matrices, shares)
    for theta, matrix, c in zip(found, matrices, shares, strict=True):
        held = np.vstack([matrix, np.full(count, 1e4)])
        expected = nnls(held, np.append(c, 1e4))[0]
        assert theta == pytest.approx(expected / expected.sum(), abs=1e-5)
    assert found.min() >= 0
    assert found.sum(axis=1) == pytest.approx(1)


def test_two_classes_that_look_alike_still_have_an_answer():
    matrix = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    found = simplex.solve(matrix[None], np.array([[0.2, 0.2, 0.6]]))[0]
    assert found[:2].sum() == pytest.approx(0.4, abs=1e-6)


def test_projecting_clips_and_scales():
    assert simplex.project(np.array([0.6, -0.1, 0.6])) == pytest.approx([0.5, 0, 0.5])
    assert simplex.project(np.array([-1.0, -1.0])) == pytest.approx([0.5, 0.5])
