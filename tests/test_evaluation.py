"""Chapter 7, evaluation: the loss and the answers of a torch network, against plain torch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnncourse.training.evaluation import evaluate, predict_classes


def task(N=50, dtype=np.float32):
    """Return images of noise, and one of three labels for each."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 1, 6, 6)).astype(dtype), np.arange(N) % 3


def network(dtype=torch.float32):
    """Return a small network, with all that evaluation could disturb."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(144, 3)).to(dtype)


def test_evaluate_is_torchs_loss_and_the_share_of_right_answers():
    model, (images, labels) = network(dtype=torch.float64), task(47, dtype=np.float64)
    logits = model.eval()(torch.from_numpy(images))
    result = evaluate(model, (images, labels), batch_size=10)
    expected = functional.cross_entropy(logits, torch.from_numpy(labels)).item()
    assert result["loss"] == pytest.approx(expected, rel=1e-10)
    assert result["accuracy"] == np.mean(logits.argmax(1).numpy() == labels)


def test_the_batch_size_does_not_matter_to_predictions():
    model, (images, _) = network(dtype=torch.float64), task(47, dtype=np.float64)
    all_at_once = predict_classes(model, images)
    assert all_at_once.dtype == np.int64
    np.testing.assert_array_equal(predict_classes(model, images, batch_size=1), all_at_once)


def test_evaluation_changes_no_mode_and_no_statistics():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, task())
    predict_classes(model, task()[0])
    assert all(module.training for module in model.modules())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "int8", "bool"])
def test_labels_may_be_whole_numbers_of_any_width(dtype):
    images, labels = task()
    labels = labels > 0 if dtype == "bool" else labels
    result = evaluate(network(), (images, labels.astype(dtype)))
    assert result == evaluate(network(), (images, labels.astype(np.int64)))


# --- refusals ---

IMAGES, LABELS = task(6)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (IMAGES, "data: expected a Dataset or .images, labels., got ndarray"),
        ((IMAGES[:, 0], LABELS), r"data images: expected shape \(N, C, H, W\), got \(6, 6, 6\)"),
        ((IMAGES[:0], LABELS[:0]), r"data images: expected shape .*, got \(0, 1, 6, 6\)"),
        ((IMAGES, LABELS[:5]), r"data labels: expected 6 whole numbers.* got .* shape \(5,\)"),
        ((IMAGES, LABELS / 2), "data labels: expected 6 whole numbers.* got torch.float64"),
        ((IMAGES, LABELS + 1), "data labels: expected 0 to 2, .* has 3 outputs, got 1 to 3"),
        ((IMAGES, LABELS - 1), "data labels: expected 0 to 2, .*, got -1 to 1"),
        ((IMAGES * np.nan, LABELS), "data images: expected finite numbers"),
        ((IMAGES * 1j, LABELS), "data images: expected real numbers, got dtype complex64"),
        ((torch.tensor(IMAGES * 1j), LABELS), "data images: expected real numbers, got dtype"),
        (
            (np.full(IMAGES.shape, "a"), LABELS),
            "data images: expected real numbers, got dtype <U1",
        ),
        ((IMAGES.repeat(5, 2), LABELS), r"data images: .* got shape \(6, 1, 30, 6\): "),
        ((IMAGES.reshape(6, 6, 6, 1), LABELS), r"\(6, 6, 6, 1\) \(are the channels last\?\): "),
    ],
)
def test_data_that_do_not_fit_are_refused_by_name(data, said):
    with pytest.raises(ValueError, match=said):
        evaluate(network(), data)


def test_other_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="images: expected shape"):
        predict_classes(network(), IMAGES[0])
    with pytest.raises(ValueError, match="batch_size: expected a whole number"):
        evaluate(network(), task(), batch_size=0)
    with pytest.raises(ValueError, match="model: expected a torch"):
        evaluate(len, task())
