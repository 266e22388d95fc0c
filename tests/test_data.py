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


def is_a_dataset(found, N, shape, classes):
    """Assert what every `Dataset` promises."""
    assert found.images.shape == (N, *shape)
    assert found.images.dtype == np.float32
    assert 0 <= found.images.min() < found.images.max() <= 1
    assert found.labels.shape == (N,)
    assert found.labels.dtype == np.int64
    assert len(found.names) == classes
    assert set(found.labels.tolist()) <= set(range(classes))
    assert found.source
    assert found.licence


def test_digits_are_1797_images_of_ten_classes():
    digits = data.digits()
    is_a_dataset(digits, 1797, (1, 8, 8), 10)
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert repr(digits).startswith("<1797 images of 1×8×8, 10 classes: ")


@pytest.mark.parametrize(("split", "N"), [("train", 10_000), ("test", 2_000)])
def test_fashion_is_balanced_and_its_classes_take_turns(split, N):
    clothes = data.fashion(split)
    is_a_dataset(clothes, N, (1, 28, 28), 10)
    assert (clothes.labels.reshape(-1, 10) == np.arange(10)).all()
    assert clothes.images.max() == 1


def test_fashion_classes_look_as_they_are_called():
    clothes = data.fashion()
    mean = {
        name: clothes.images[clothes.labels == label, 0].mean(0)
        for label, name in enumerate(clothes.names)
    }
    assert mean["trouser"][22:, 14].mean() < 0.2 * mean["trouser"][22:, 11].mean()  # two legs
    assert mean["pullover"][16, 3:6].mean() > 10 * mean["dress"][16, 3:6].mean()  # sleeves
    assert mean["ankle boot"][6].mean() > 5 * mean["sneaker"][6].mean()  # the shaft


def test_no_image_of_fashion_is_in_both_parts():
    train, test = (data.fashion(split).images.reshape(-1, 784) for split in data.SPLITS)
    seen = {image.tobytes() for image in train}
    assert not any(image.tobytes() in seen for image in test)


def test_n_takes_the_first_images():
    few = data.fashion("test", n=7)
    assert (few.images == data.fashion("test").images[:7]).all()
    assert few.labels.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"split": "validation"}, "split: expected one of 'train', 'test', got 'validation'"),
        ({"n": 10_001}, "n: expected at most 10000, got 10001"),
        ({"n": 0}, "n: expected a whole number above 0, got 0"),
    ],
)
def test_fashion_refuses_what_there_is_not(words, message):
    with pytest.raises(ValueError, match=message):
        data.fashion(**words)


def test_patches_come_from_their_photograph_and_half():
    names = ("coins", "flower")
    for split, half in zip(data.SPLITS, (slice(None, 192), slice(192, None)), strict=True):
        patches = data.patches_of(names, 30, side=24, split=split)
        is_a_dataset(patches, 60, (1, 24, 24), 2)
        assert patches.labels.tolist() == [0, 1] * 30
        windows = np.lib.stride_tricks.sliding_window_view(
            data.photo("coins")[:, half].astype(np.float32), (24, 24)
        )
        corner = patches.images[0, 0, 0, 0]
        places = np.argwhere(windows[:, :, 0, 0] == corner)
        assert any((windows[i, j] == patches.images[0, 0]).all() for i, j in places)


def test_patches_follow_from_the_seed_and_differ_by_it():
    first, again, other = (data.texture_patches(3, seed=seed).images for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_patches_larger_than_half_a_photograph_are_refused():
    with pytest.raises(ValueError, match="side: expected at most 192 for 'coins', got 193"):
        data.patches_of(["coins"], 1, side=193)


def test_the_package_carries_the_licence_of_fashion():
    licence = (ROOT / "cnncourse" / "data" / "fashion" / "LICENSE").read_text("utf-8")
    assert "Copyright © 2017 Zalando SE" in licence
    assert "Fashion-MNIST" in (ROOT / "NOTICE.md").read_text("utf-8")


def test_notice_lists_every_photograph_with_its_source_and_licence():
    notice = (ROOT / "NOTICE.md").read_text("utf-8")
    rows = [line for line in notice.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{p.name}` | {p.source} | {p.licence} |" for p in data.photographs().values()
    ]
