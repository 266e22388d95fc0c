"""The photographs and data sets: shapes, values in [0, 1], sources and licences, refusals."""

import numpy as np
import pytest
from conftest import ROOT
from skimage.color import rgb2gray

from cnncourse import data


@pytest.mark.parametrize("name", data.photographs())
def test_photograph_has_the_shape_it_announces_and_values_from_0_to_1(name):
    image = data.photo(name)
    assert image.shape == data.about(name).shape
    assert image.dtype == np.float64
    assert 0 <= image.min() < image.max() <= 1


def test_gray_is_scikit_images_luminance():
    assert np.abs(data.photo("cat", gray=True) - rgb2gray(data.photo("cat"))).max() < 1e-12


@pytest.mark.parametrize(("name", "shape"), [("cat", (67, 100, 3)), ("camera", (100, 100))])
def test_width_shrinks_and_keeps_the_proportions(name, shape):
    small = data.photo(name, width=100)
    assert small.shape == shape
    assert abs(small.mean() - data.photo(name).mean()) < 0.01


def test_photo_returns_a_fresh_array_each_time():
    data.photo("camera")[:] = 0
    assert data.photo("camera").max() > 0


def test_unknown_photograph_is_refused_with_the_list_of_names():
    with pytest.raises(
        ValueError, match=r"name: expected one of 'astronaut', 'brick', .*got 'lena'"
    ):
        data.photo("lena")


@pytest.mark.parametrize("width", [0, -3, 2.5, "100"])
def test_impossible_width_is_refused(width):
    with pytest.raises(ValueError, match="width: expected a whole number above 0, got"):
        data.photo("camera", width=width)


def test_width_beyond_the_photograph_is_refused():
    with pytest.raises(ValueError, match="width: expected at most 512 for 'camera', got 513"):
        data.photo("camera", width=513)


def test_digits_are_images_in_0_1_with_labels_0_to_9():
    images, labels = data.digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (0, 1)
    assert labels.dtype == np.int64
    assert sorted(set(labels.tolist())) == list(range(10))


def test_notice_lists_every_photograph_with_its_source_and_licence():
    notice = (ROOT / "NOTICE.md").read_text("utf-8")
    rows = [line for line in notice.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{p.name}` | {p.source} | {p.licence} |" for p in data.photographs().values()
    ]
