"""The comparison helper and the readers of arguments: above all, that they fail when they must."""

import numpy as np
import pytest
import torch

from cnncourse import check


def test_matches_prints_shape_dtype_and_largest_difference(capsys):
    check.matches(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0 + 1e-12]]))
    assert capsys.readouterr().out == "match: shape (1, 2), float64, largest difference 1e-12\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"shapes differ: ours \(2, 3\), theirs \(3, 2\)"),
        (np.zeros(2, np.float32), np.zeros(2), "dtypes differ: ours float32, theirs float64"),
        (
            np.array([1.0, 5.0, 2.0]),
            np.array([1.0, 2.0, 2.1]),
            r"at 2 of 3 positions, most at \(1,\): ours 5.0",
        ),
        (
            np.array([np.nan, 1.0]),
            np.array([np.nan, 1.0]),
            r"at 1 of 2 positions, most at \(0,\): ours nan",
        ),
        (np.array([np.inf]), np.array([1.0]), "ours inf, theirs 1.0"),
        (np.array([1.0]), np.array([np.inf]), "ours 1.0, theirs inf"),
        (np.array([-np.inf]), np.array([np.inf]), "ours -inf, theirs inf"),
        (np.array([np.nan]), np.array([np.inf]), "ours nan, theirs inf"),
        (np.array([np.inf]), np.array([np.nan]), "ours inf, theirs nan"),
        (np.array([1, 2]), np.array([1, 3]), r"most at \(1,\): ours 2, theirs 3"),
        (np.array([True]), np.array([False]), "ours True, theirs False"),
        (np.array([1 + 1j]), np.array([1 + 2j]), "values differ at 1 of 1"),
    ],
)
def test_matches_raises_at_any_difference(ours, theirs, message):
    with pytest.raises(AssertionError, match=message):
        check.matches(ours, theirs)


def test_matches_blames_the_value_most_out_of_tolerance_and_not_the_largest_gap():
    for first in (50, 200):  # within the tolerance of 100, and twice as much
        with pytest.raises(AssertionError, match=r"most at \(1,\): ours 1.1, theirs 1.0"):
            check.matches([1e12 + first, 1.1], [1e12, 1.0])


def test_matches_finds_equal_infinities_equal(capsys):
    check.matches([np.inf, -np.inf, 1.0], [np.inf, -np.inf, 1.0])
    assert "largest difference 0" in capsys.readouterr().out


def test_matches_without_any_tolerance_takes_only_equal_values(capsys):
    check.matches([0.0, 2.0], [0.0, 2.0], rtol=0, atol=0)
    with pytest.raises(AssertionError, match=r"most at \(1,\)"):
        check.matches([0.0, 2.0], [0.0, 2.1], rtol=0, atol=0)


def test_matches_reads_tensors_that_carry_a_gradient(capsys):
    check.matches(torch.ones(2, requires_grad=True) * 2, np.full(2, 2, np.float32))
    assert "float32" in capsys.readouterr().out


def test_matches_takes_empty_arrays(capsys):
    check.matches(np.zeros((0, 3)), np.zeros((0, 3)))
    assert "largest difference 0" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool, np.float16, np.longdouble])
def test_as_image_turns_other_numbers_into_float64(dtype):
    assert check.as_image(np.ones((2, 3), dtype)).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8"])
def test_as_image_keeps_floats(dtype):
    assert check.as_image(np.ones((2, 3), dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(3), r"image: expected a 2-D array \(rows, columns\), got shape \(3,\)"),
        (np.zeros((4, 5, 3)), r"got shape \(4, 5, 3\); take one channel"),
        (np.zeros((0, 5)), r"image: expected at least one row and column, got shape \(0, 5\)"),
        (np.zeros((2, 2), complex), "image: expected real numbers, got dtype complex128"),
        (np.array([["a"]]), "image: expected real numbers, got dtype <U1"),
        (np.array([[np.nan]]), "image: expected finite numbers, got NaN or infinity"),
        (np.array([[np.inf]]), "image: expected finite numbers, got NaN or infinity"),
    ],
)
def test_as_image_refuses_with_argument_got_and_expected(image, message):
    with pytest.raises(ValueError, match=message):
        check.as_image(image)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (4, 4)])
def test_as_kernel_refuses_even_sides_where_a_centre_is_needed(shape):
    with pytest.raises(ValueError, match=f"kernel: expected odd .* got {shape[0]}×{shape[1]}"):
        check.as_kernel(np.ones(shape), odd=True)
    assert check.as_kernel(np.ones(shape)).shape == shape


@pytest.mark.parametrize("value", [0, -1, np.inf, np.nan, True, "2", None, [1], 10**400])
def test_as_positive_refuses_what_is_not_a_number_above_zero(value):
    with pytest.raises(ValueError, match="sigma: expected a number above 0, got"):
        check.as_positive(value, "sigma")


def test_as_positive_refuses_fractions_where_a_whole_number_is_needed():
    with pytest.raises(ValueError, match=r"size: expected a whole number above 0, got 2.5"):
        check.as_positive(2.5, "size", integer=True)
    assert check.as_positive(np.int64(3), "size", integer=True) == 3


def test_as_one_of_lists_the_choices():
    with pytest.raises(ValueError, match="border: expected one of 'a', 'b', got 'c'"):
        check.as_one_of("c", ["a", "b"], "border")


@pytest.mark.parametrize("value", [True, None, "1", 1j, np.nan, -np.inf, [1], np.ones(1), 10**400])
def test_as_finite_refuses_what_is_no_finite_real_number(value):
    with pytest.raises(ValueError, match="angle: expected a finite number, got"):
        check.as_finite(value, "angle")


@pytest.mark.parametrize("value", [-3, 0, 2.5, np.float32(2), np.uint8(200)])
def test_as_finite_returns_a_float(value):
    assert check.as_finite(value, "angle") == value
    assert type(check.as_finite(value, "angle")) is float


@pytest.mark.parametrize("shape", [5, None, (3,), (1, 2, 3), np.ones(3), np.array(4)])
def test_as_shape_refuses_anything_but_two_entries(shape):
    with pytest.raises(ValueError, match=r"field: expected \(rows, columns\), got"):
        check.as_shape(shape, "field")


@pytest.mark.parametrize("shape", [(0, 3), (3, -1), (2.0, 3), ("a", 3), (True, 3), ([1], [2, 3])])
def test_as_shape_refuses_sides_that_are_no_whole_numbers_above_zero(shape):
    with pytest.raises(ValueError, match="field: expected a whole number above 0, got"):
        check.as_shape(shape, "field")


@pytest.mark.parametrize("shape", [(2, 3), [2, 3], np.array([2, 3]), torch.ones(2, 3).shape])
def test_as_shape_returns_a_tuple_of_ints(shape):
    assert check.as_shape(shape) == (2, 3)
    assert [type(side) for side in check.as_shape(shape)] == [int, int]
