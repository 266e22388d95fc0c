"""Chapter 7: the confusion matrix and what is read from it, against scikit-learn."""

import numpy as np
import pytest
from conftest import close
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from cnncourse.training.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
)

QUESTIONS = {
    precision: theirs.precision_score,
    recall: theirs.recall_score,
    f1: theirs.f1_score,
}


@st.composite
def answers(draw):
    """Draw labels, predictions and the number of classes, some of which may not occur."""
    classes = draw(st.integers(2, 6))
    pairs = st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), min_size=1, max_size=40)
    return *np.array(draw(pairs)).T, classes


# --- oracle ---


@given(answers())
def test_the_confusion_matrix_equals_scikit_learns(answers):
    labels, predictions, classes = answers
    expected = theirs.confusion_matrix(labels, predictions, labels=range(classes))
    close(confusion_matrix(labels, predictions, classes), expected)


@given(answers())
def test_accuracy_equals_scikit_learns(answers):
    labels, predictions, classes = answers
    ours = accuracy(confusion_matrix(labels, predictions, classes))
    close(ours, float(theirs.accuracy_score(labels, predictions)))


@pytest.mark.parametrize("ours", QUESTIONS)
@given(answers())
def test_what_is_asked_of_each_class_equals_scikit_learns(ours, answers):
    labels, predictions, classes = answers
    words = {"labels": range(classes), "average": None, "zero_division": 0}
    expected = QUESTIONS[ours](labels, predictions, **words)
    close(ours(confusion_matrix(labels, predictions, classes)), expected)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true:UserWarning")
@given(answers())
def test_balanced_accuracy_equals_scikit_learns(answers):
    labels, predictions, classes = answers
    ours = balanced_accuracy(confusion_matrix(labels, predictions, classes))
    if len(set(labels) | set(predictions)) > 1:  # scikit-learn warns of a single class
        close(ours, float(theirs.balanced_accuracy_score(labels, predictions)))


# --- properties ---


@given(answers())
def test_every_example_is_counted_once(answers):
    labels, predictions, classes = answers
    matrix = confusion_matrix(labels, predictions, classes)
    assert matrix.sum() == len(labels)
    close(matrix.sum(1), np.bincount(labels, minlength=classes))
    close(matrix.sum(0), np.bincount(predictions, minlength=classes))


@given(answers())
def test_exchanging_labels_and_predictions_exchanges_precision_and_recall(answers):
    matrix = confusion_matrix(*answers)
    close(confusion_matrix(answers[1], answers[0], answers[2]), matrix.T)
    close(precision(matrix), recall(matrix.T))
    close(f1(matrix), f1(matrix.T))


@given(answers())
def test_f1_lies_between_precision_and_recall(answers):
    matrix = confusion_matrix(*answers)
    both = np.stack([precision(matrix), recall(matrix)])
    assert (both.min(0) <= f1(matrix) + 1e-12).all()
    assert (f1(matrix) <= both.max(0) + 1e-12).all()


def test_perfect_answers_score_1_everywhere():
    matrix = confusion_matrix([0, 1, 2, 2], [0, 1, 2, 2], 3)
    assert accuracy(matrix) == balanced_accuracy(matrix) == 1
    for ours in QUESTIONS:
        close(ours(matrix), np.ones(3))


# --- hand-made: 90 healthy, 10 ill; 4 of the ill are found, with 2 false alarms ---


def test_accuracy_misleads_where_one_class_is_rare():
    lazy, useful = [[90, 0], [10, 0]], [[88, 2], [6, 4]]
    assert (accuracy(lazy), accuracy(useful)) == (0.9, 0.92)
    assert (balanced_accuracy(lazy), recall(lazy)[1], f1(lazy)[1]) == (0.5, 0, 0)
    close(precision(useful)[1], np.float64(4 / 6))
    close(recall(useful)[1], np.float64(4 / 10))
    close(f1(useful)[1], np.float64(8 / 16))  # 2 · 4 / (6 + 10)


# --- stress ---


def test_labels_of_few_bits_do_not_wrap_around():
    labels = np.array([200, 199], np.uint8)
    matrix = confusion_matrix(labels, labels, 201)
    assert matrix[200, 200] == matrix[199, 199] == 1


def test_a_matrix_without_examples_scores_0():
    empty = np.zeros((2, 2), int)
    assert accuracy(empty) == balanced_accuracy(empty) == 0
    for ours in QUESTIONS:
        close(ours(empty), np.zeros(2))


def test_a_matrix_of_shares_is_read_too():
    matrix = np.array([[2, 1], [1, 4]])
    close(accuracy(matrix / 8), accuracy(matrix))
    for ours in QUESTIONS:
        close(ours(matrix / 8), ours(matrix))


# --- refusals ---


@pytest.mark.parametrize(
    ("labels", "predictions", "classes", "message"),
    [
        ([0, 1], [0], 2, "predictions: expected 2 of them, got 1"),
        ([0, 2], [0, 1], 2, "labels: expected 0 to 1, got 0 to 2"),
        ([0, 1], [0, -1], 2, "predictions: expected 0 to 1, got -1 to 0"),
        ([0.0], [0], 2, "labels: expected whole numbers"),
        ([0], [[0.2, 0.8]], 2, r"predictions: expected whole numbers, \(N,\)"),
        ([], [], 2, "labels: expected whole numbers"),
        ([0], [0], 2.5, "classes: expected a whole number above 0, got 2.5"),
    ],
)
def test_answers_that_cannot_be_counted_are_refused(labels, predictions, classes, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(labels, predictions, classes)


@pytest.mark.parametrize("ours", [accuracy, balanced_accuracy, *QUESTIONS])
@pytest.mark.parametrize("matrix", [[1, 2], [[1, 2]], [[1, -2], [3, 4]], [["a"]], np.zeros((0, 0))])
def test_what_is_no_confusion_matrix_is_refused(ours, matrix):
    with pytest.raises(ValueError, match=r"matrix: expected \(K, K\) numbers ≥ 0"):
        ours(matrix)
