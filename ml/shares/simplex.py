"""Least squares over the simplex: shares that are no less than 0 and add up to 1, many problems at once."""

import numpy as np

_SUM_WEIGHT = 1e6  # of the sum's deviation from 1 beside deviations of shares, both squared; what is left is scaled off
_RIDGE = 1e-10  # keeps a matrix with two equal columns solvable
_ROUNDS_AT_ONCE = 12  # block exchanges before the slow rule that cannot cycle takes over
_TOLERANCE = 1e-9


def solve(matrices: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """argmin over the simplex of |M theta - c|, of matrices (B, I, J) and shares c (B, I): theta (B, J).

    Non-negative least squares by block principal pivoting (Portugal, Judice and Vicente 1994), with the sum held by a
    heavy row; where blocks cycle, Murty's rule exchanges one variable at a time and must end.
    """
    count = matrices.shape[2]
    gram = np.swapaxes(matrices, 1, 2) @ matrices + _SUM_WEIGHT + _RIDGE * np.eye(count)
    wanted = (np.swapaxes(matrices, 1, 2) @ shares[:, :, None])[:, :, 0] + _SUM_WEIGHT
    free = np.ones_like(wanted, dtype=bool)
    found = np.empty_like(wanted)
    pending = np.arange(len(wanted))
    for step in range(_ROUNDS_AT_ONCE + 2**count):
        solution, slope = _solve_free(gram[pending], wanted[pending], free[pending])
        wrong = np.where(free[pending], solution < -_TOLERANCE, slope < -_TOLERANCE)
        found[pending] = solution
        unsolved = wrong.any(axis=1)
        pending, wrong = pending[unsolved], wrong[unsolved]
        if not len(pending):
            break
        if step >= _ROUNDS_AT_ONCE:
            last = count - 1 - wrong[:, ::-1].argmax(axis=1)
            wrong = np.arange(count) == last[:, None]
        free[pending] ^= wrong
    found = np.maximum(found, 0)
    on_simplex: np.ndarray = found / found.sum(axis=1, keepdims=True)
    return on_simplex


def project(points: np.ndarray) -> np.ndarray:
    """Points (..., K) clipped at 0 and scaled to sum to 1; all zero becomes even."""
    clipped = np.maximum(points, 0)
    total = clipped.sum(axis=-1, keepdims=True)
    scaled: np.ndarray = np.where(total > 0, clipped / np.where(total > 0, total, 1), 1 / points.shape[-1])
    return scaled


def _solve_free(gram: np.ndarray, wanted: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The minimum over the free variables, the others 0; and the slope (B, J) there, 0 of free ones."""
    both = free[:, :, None] & free[:, None, :]
    system = np.where(both, gram, np.eye(gram.shape[1]))
    solution = np.linalg.solve(system, np.where(free, wanted, 0)[:, :, None])[:, :, 0]
    solution = np.where(free, solution, 0)
    slope = (gram @ solution[:, :, None])[:, :, 0] - wanted
    return solution, np.where(free, 0, slope)
