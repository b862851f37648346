import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from neurolens.brain.rdms.squares import count_stimuli, fill_squares, read_squares
from neurolens.errors import InputError


def make_square(rng, n=5):
    return squareform(rng.uniform(0.1, 1, n * (n - 1) // 2))


def read(array, n_stimuli=None, pairs="rows"):
    return read_squares(array, n_stimuli, pairs, "x")


@given(st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_squares_and_vectors_of_scipy_are_the_same(n, seed):
    points = np.random.default_rng(seed).normal(size=(n, 4))
    vector = pdist(points)
    expected = squareform(vector)
    for array in (vector, expected, vector[None], vector[:, None]):
        stack = read(array, n)
        np.testing.assert_array_equal(stack.squares, expected[None])
        assert stack.shape == ()
    # MATLAB's squareform takes the lower triangle column by column: the same order.
    lower = [expected[i, j] for j in range(n) for i in range(j + 1, n)]
    np.testing.assert_array_equal(read(np.array(lower), n).squares[0], expected)
    # MATLAB's x(triu(true(n), 1)) takes the upper triangle column by column: another one.
    upper = np.array([expected[i, j] for j in range(n) for i in range(j)])
    np.testing.assert_array_equal(read(upper, n, "columns").squares[0], expected)
    if n > 3:
        assert not np.array_equal(read(upper, n).squares[0], expected)


def test_stacks_along_the_first_or_last_axis(rng):
    squares = np.stack([make_square(rng) for _ in range(3)])
    for array in (squares, np.moveaxis(squares, 0, 2)):
        stack = read(array)
        np.testing.assert_array_equal(stack.squares, squares)
        assert stack.shape == (3,)
    vectors = np.stack([squareform(square) for square in squares])
    for array in (vectors, vectors.T):
        np.testing.assert_array_equal(read(array, 5).squares, squares)
    grid = np.stack([squares, squares * 2])
    stack = read(grid)
    assert stack.shape == (2, 3)
    np.testing.assert_array_equal(stack.squares, grid.reshape(6, 5, 5))


def test_as_many_rdms_as_stimuli(rng):
    """Squares are along the axes where they are symmetric, and 0 on the diagonal."""
    squares = np.stack([make_square(rng, 4) for _ in range(4)])
    np.testing.assert_array_equal(read(squares).squares, squares)
    np.testing.assert_array_equal(read(np.moveaxis(squares, 0, 2)).squares, squares)
    both = np.zeros((3, 3, 3))
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        both[i, j, k] = 1
    np.testing.assert_array_equal(read(both).squares, both)


def test_three_stimuli_are_read_as_a_square_or_refused():
    with pytest.raises(InputError, match="x must be symmetric"):
        read([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], 3)


def test_an_asymmetric_square_is_never_a_stack_of_vectors(rng):
    stack = rng.uniform(0.1, 1, (2, 6, 6))  # 6 are the pairs of 4 stimuli
    with pytest.raises(InputError, match="x must be symmetric"):
        read(stack)


def test_vectors_that_fit_along_two_axes_are_refused(rng):
    array = rng.uniform(0.1, 1, (3, 10))  # 3 RDMs of 5 stimuli, or 10 of 3
    with pytest.raises(InputError, match=r"got shape \(3, 10\), which fits along two axes"):
        read(array)
    assert read(array, 5).squares.shape == (3, 5, 5)
    assert read(array, 3).squares.shape == (10, 3, 3)


def test_rounding_of_single_precision_is_taken_out(rng):
    square = make_square(rng)
    rounded = square.copy()
    rounded[1, 0] *= 1 + 1e-7
    rounded[2, 2] = 1e-8
    np.testing.assert_array_equal(read(rounded).squares[0], square)


def test_pairs_that_are_nan_stay(rng):
    square = make_square(rng)
    square[0, 3] = square[3, 0] = np.nan
    np.fill_diagonal(square, np.nan)
    found = read(square).squares[0]
    assert np.isnan(found).sum() == 2
    assert found[0, 0] == 0
    missing = read(np.stack([square, np.full_like(square, np.nan)])).squares
    assert np.isnan(missing[1]).all()


def spoil(square, kind):
    spoiled = square.copy()
    if kind == "asymmetric":
        spoiled[0, 1] += 0.1
    elif kind == "one NaN":
        spoiled[0, 1] = np.nan
    elif kind == "upper only":
        spoiled = np.triu(spoiled)
    elif kind == "lower of NaN":
        spoiled[np.tril_indices(len(spoiled), -1)] = np.nan
    elif kind == "similarity":
        spoiled = 1 - spoiled
    elif kind == "covariance":
        np.fill_diagonal(spoiled, [1, 2, 1, 1, 3])
    elif kind == "infinite":
        spoiled[0, 1] = spoiled[1, 0] = np.inf
    elif kind == "complex":
        spoiled = spoiled * 1j
    return spoiled


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("asymmetric", r"symmetric, and is not. Average both triangles: \(x \+ x.T\) / 2"),
        ("one NaN", "symmetric, and is not"),
        ("upper only", "symmetric, and one triangle is empty. Pass both: np.fmax"),
        ("lower of NaN", "symmetric, and one triangle is empty"),
        ("similarity", "0 on the diagonal, which is 1 throughout, .* Pass 1 - x if they are"),
        ("covariance", "must be 0 on the diagonal, and is not"),
        ("infinite", "must be finite"),
        ("complex", "must hold real numbers, got complex128"),
    ],
)
def test_what_is_no_rdm(rng, kind, message):
    with pytest.raises(InputError, match=message):
        read(spoil(make_square(rng), kind))


@pytest.mark.parametrize("shape", [(7,), (4, 5), (2, 3, 4), ()])
def test_shapes_that_are_neither(shape):
    with pytest.raises(InputError, match="x must hold squares, or vectors"):
        read(np.ones(shape) - np.eye(*shape) if len(shape) == 2 else np.ones(shape))
    with pytest.raises(
        InputError, match=r"squares of 92 stimuli, or vectors of their pairs \(4186"
    ):
        read(np.ones(shape), 92)


def test_vectors_must_be_finite():
    with pytest.raises(InputError, match="x must be finite"):
        read(np.array([1.0, np.inf, 2.0]), 3)


def test_numbers_of_pairs():
    assert [count_stimuli(n) for n in (1, 3, 4, 6, 4186)] == [2, 3, None, 4, 92]
    square = fill_squares(np.array([1.0, 2.0, 3.0]), 3, "rows")[0]
    assert square.tolist() == [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
