"""Chapter 7: augmentations against slices, torch.rot90 and scikit-image; and their randomness."""

from functools import partial

import numpy as np
import pytest
from conftest import close
from hypothesis import given
from hypothesis import strategies as st
from skimage import transform

from cnncourse.training.augmentation import (
    crop,
    cutout,
    flip,
    mixup,
    pipeline,
    rotate,
    shift,
)

torch = pytest.importorskip("torch")

sizes = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
seeds = st.integers(0, 2**31)
ALL = [
    *(flip, shift, rotate, crop, cutout),
    *(partial(shift, pixels=5), partial(rotate, degrees=180), partial(crop, smallest=0.1)),
    pipeline(flip, rotate, partial(cutout, size=3)),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)


def ramp(H, W, direction):
    """Return an image that grows by 1 a pixel to the right (1) or down (0), 0 in its middle."""
    line = torch.arange((H, W)[direction], dtype=torch.float64)
    line -= line.mean()
    return (line if direction else line[:, None]).expand(H, W)


# --- all of them ---


@pytest.mark.parametrize("augment", ALL)
@given(sizes, st.sampled_from([torch.float32, torch.float64]), seeds)
def test_shape_dtype_and_range_stay(augment, shape, dtype, seed):
    images = random_images(shape, dtype=dtype)
    before = images.clone()
    changed = augment(images, seeded(seed))
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert changed.min() >= -1e-6
    assert changed.max() <= images.max() + 1e-6
    close(images, before)


@pytest.mark.parametrize("augment", ALL)
def test_the_generators_state_decides_everything(augment):
    images, generator = random_images((16, 2, 10, 12)), seeded(3)
    first, second = augment(images, generator), augment(images, generator)
    torch.manual_seed(7)  # of no account
    assert augment(images, seeded(3)).equal(first)
    assert not first.equal(second)


@pytest.mark.parametrize("augment", ALL)
def test_every_image_has_a_choice_of_its_own_for_all_its_channels(augment):
    image = random_images((1, 1, 10, 12))
    changed = augment(image.expand(32, 3, -1, -1), seeded())
    assert len({tuple(one.flatten().tolist()) for one in changed}) > 1
    for channel in (1, 2):
        close(changed[:, channel], changed[:, 0])


@pytest.mark.parametrize("augment", ALL)
def test_views_are_read_like_copies(augment):
    images = random_images((6, 9, 10, 4)).permute(0, 3, 1, 2)[::2]
    assert augment(images, seeded()).equal(augment(images.contiguous(), seeded()))


# --- flip ---


@given(sizes, seeds)
def test_flip_mirrors_columns_or_changes_nothing(shape, seed):
    images = random_images(shape)
    changed = flip(images, seeded(seed))
    for one, image in zip(changed, images, strict=True):
        assert one.equal(image) or one.equal(image.flip(-1))


def test_flip_mirrors_half_of_the_images():
    images = torch.tensor([0.0, 1.0]).expand(4000, 1, 1, 2)
    assert flip(images, seeded())[:, 0, 0, 0].mean().item() == pytest.approx(0.5, abs=0.03)


# --- shift ---


@given(sizes, st.integers(1, 4), seeds)
def test_shift_is_a_window_of_the_zero_padded_image(shape, pixels, seed):
    images, (_, _, H, W) = random_images(shape) + 1, shape
    padded = np.pad(images, [(0, 0), (0, 0), (pixels, pixels), (pixels, pixels)])
    for one, image in zip(shift(images, seeded(seed), pixels), padded, strict=True):
        windows = [
            image[:, row : row + H, column : column + W]
            for row in range(2 * pixels + 1)
            for column in range(2 * pixels + 1)
        ]
        assert any((one.numpy() == window).all() for window in windows)


def test_all_shifts_are_equally_likely():
    image = torch.zeros(1, 1, 5, 7)
    image[..., 2, 3] = 1
    share = shift(image.expand(5000, -1, -1, -1), seeded(), pixels=2).mean((0, 1))
    close(share[:, 1:-1], torch.full((5, 5), 1 / 25), rtol=0, atol=0.01)


# --- rotate ---


@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_a_positive_angle_is_counter_clockwise(turns):
    images = random_images((2, 3, 8, 8))
    changed = rotate(images, seeded(), degrees=(90 * turns, 90 * turns))
    close(changed, torch.rot90(images, turns, (2, 3)), rtol=0, atol=1e-12)


@given(st.tuples(st.integers(2, 12), st.integers(2, 12)), st.floats(-180, 180), seeds)
def test_rotation_equals_scikit_image(shape, degrees, seed):
    image = random_images((1, 1, *shape), seed)
    changed = rotate(image, seeded(), degrees=(degrees, degrees))[0, 0]
    expected = transform.rotate(image[0, 0].numpy(), degrees, clip=False)
    close(changed, expected, rtol=0, atol=1e-9)


def test_angles_fill_the_range():
    H = W = 41
    images = ramp(H, W, 1).expand(2000, 1, H, W)
    middle = rotate(images, seeded(), degrees=30)[:, 0, 19:22, 19:22]
    # values that grew to the right grow along the turned direction: 90° is up
    up, right = middle[:, 0, 1] - middle[:, 2, 1], middle[:, 1, 2] - middle[:, 1, 0]
    angle = torch.rad2deg(torch.atan2(up, right))
    assert angle.min().item() == pytest.approx(-30, abs=0.2)
    assert angle.max().item() == pytest.approx(30, abs=0.2)
    assert abs(angle.mean()) < 1


def test_what_comes_in_from_outside_is_0():
    changed = rotate(torch.ones(1, 1, 20, 20), seeded(), degrees=(45, 45))[0, 0]
    assert changed[0, 0] == changed[-1, 0] == 0
    assert changed[10, 10] == pytest.approx(1)


# --- crop ---


@pytest.mark.parametrize("shape", [(9, 9), (8, 13)])
@pytest.mark.parametrize("smallest", [0.3, 0.7])
def test_crop_enlarges_by_the_root_of_the_area_and_stays_inside(shape, smallest):
    images = torch.stack([ramp(*shape, 0), ramp(*shape, 1)]).expand(3000, 2, *shape)
    changed = crop(images, seeded(), smallest)
    inner = changed[:, :, 2:-2, 2:-2]  # away from the borders, where the ramps end
    down, right = inner[:, 0].diff(dim=1), inner[:, 1].diff(dim=2)
    side = down[:, :1, :1]
    close(down, side.expand_as(down), rtol=0, atol=1e-9)
    close(right, side.expand_as(right), rtol=0, atol=1e-9)
    area = side.flatten() ** 2
    assert area.min().item() == pytest.approx(smallest, abs=0.01)
    assert area.max().item() == pytest.approx(1, abs=0.01)
    for channel, length in enumerate(shape):
        centre = changed[:, channel, :, :].mean((1, 2)).abs()
        assert (centre <= (1 - side.flatten()) * length / 2 + 0.05).all()


def test_a_crop_of_everything_is_the_image():
    images = random_images((3, 2, 7, 5))
    close(crop(images, seeded(), smallest=1), images, rtol=0, atol=1e-12)


def test_a_crop_of_a_constant_is_the_constant():
    images = torch.full((50, 1, 9, 6), 0.3, dtype=torch.float64)
    close(crop(images, seeded(), smallest=0.1), images)


# --- cutout ---


@given(sizes, st.integers(1, 12), seeds)
def test_cutout_puts_0_in_a_square_around_a_pixel_and_changes_nothing_else(shape, size, seed):
    images, (_, _, H, W) = random_images(shape) + 1, shape
    for one, image in zip(cutout(images, seeded(seed), size), images, strict=True):
        candidates = []
        for row in range(H):
            for column in range(W):
                expected = image.clone()
                top, left = row - size // 2, column - size // 2
                expected[:, max(top, 0) : top + size, max(left, 0) : left + size] = 0
                candidates.append(expected)
        assert any(one.equal(expected) for expected in candidates)


def test_every_pixel_is_a_centre_equally_often():
    changed = cutout(torch.ones(12000, 1, 3, 4), seeded(), size=1)
    close(1 - changed.mean((0, 1)), torch.full((3, 4), 1 / 12), rtol=0, atol=0.01)


# --- mixup ---


@given(st.integers(1, 8), st.floats(0.05, 5), seeds)
def test_mixup_blends_images_and_targets_in_one_proportion(N, alpha, seed):
    colours = torch.eye(N, dtype=torch.float64)  # image i is 1 in channel i
    images = colours[:, :, None, None].expand(N, N, 3, 2)
    mixed, targets = mixup(images, colours, seeded(seed), alpha)
    close(targets.sum(1), torch.ones(N).double())
    close(mixed, targets[:, :, None, None].expand(N, N, 3, 2))
    assert ((targets > 0).sum(1) <= 2).all()
    assert targets.min() >= 0


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixups_shares_follow_the_beta_distribution(alpha):
    N = 4000
    _, targets = mixup(torch.zeros(N, 1, 1, 1), torch.eye(N), seeded(), alpha)
    share = targets.diagonal().numpy()
    assert share.mean() == pytest.approx(0.5, abs=0.02)
    assert share.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_mixup_keeps_dtypes_and_its_inputs():
    images, targets = random_images((6, 1, 4, 5), dtype=torch.float32), torch.eye(6).double()
    before = images.clone(), targets.clone()
    mixed, shares = mixup(images, targets, seeded())
    assert (mixed.dtype, shares.dtype) == (torch.float32, torch.float64)
    close(images, before[0])
    close(targets, before[1])
    assert mixup(images, targets, seeded())[0].equal(mixed)


# --- pipeline ---


def test_a_pipeline_does_one_after_the_other():
    images, generator = random_images((9, 1, 8, 8)), seeded(1)
    expected = cutout(shift(flip(images, generator), generator), generator)
    assert pipeline(flip, shift, cutout)(images, seeded(1)).equal(expected)


def test_an_empty_pipeline_changes_nothing():
    images = random_images((2, 1, 3, 4))
    assert pipeline()(images, seeded()).equal(images)


# --- refusals ---


@pytest.mark.parametrize("augment", [flip, shift, rotate, crop, cutout])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.ones((1, 1, 2, 2)), r"got ndarray of float64, \(1, 1, 2, 2\)"),
        (torch.ones(1, 2, 2), r"got Tensor of torch.float32, \(1, 2, 2\)"),
        (torch.ones(1, 1, 2, 2, dtype=torch.uint8), "got Tensor of torch.uint8"),
        ([1], "got list"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(augment, images, message):
    with pytest.raises(
        ValueError, match=r"images: expected a tensor of floats \(N, C, H, W\), .*" + message
    ):
        augment(images, seeded())


@pytest.mark.parametrize("augment", [flip, shift, rotate, crop, cutout])
@pytest.mark.parametrize("generator", [None, 0, np.random.default_rng(0)])
def test_a_generator_of_another_kind_is_refused(augment, generator):
    with pytest.raises(ValueError, match=r"generator: expected torch.Generator\(\)"):
        augment(torch.ones(1, 1, 2, 2), generator)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (partial(shift, pixels=0), "pixels: expected a whole number above 0, got 0"),
        (partial(shift, pixels=1.5), "pixels: expected a whole number above 0, got 1.5"),
        (partial(rotate, degrees=(1, 2, 3)), r"degrees: expected a finite number, got \(1, 2, 3\)"),
        (partial(rotate, degrees=(0, None)), "degrees: expected a finite number, got None"),
        (partial(rotate, degrees=np.inf), "degrees: expected a finite number"),
        (partial(crop, smallest=0), "smallest: expected a number above 0, got 0"),
        (partial(crop, smallest=1.1), r"smallest: expected a share in \(0, 1\], got 1.1"),
        (partial(cutout, size=0), "size: expected a whole number above 0, got 0"),
        (lambda x, g: mixup(x, torch.eye(2), g, alpha=0), "alpha: expected a number above 0"),
        (
            lambda x, g: mixup(x, torch.eye(3), g),
            r"targets: .* of shares \(2, K\), got Tensor",
        ),
        (lambda x, g: mixup(x, torch.eye(2).long(), g), r"targets: .* got Tensor of torch.int64"),
        (lambda x, g: mixup(x, torch.tensor([0, 1]), g), r"targets: .* of shares \(2, K\), got"),
        (lambda x, g: mixup(x, torch.eye(2), None), "generator: expected torch.Generator"),
        (lambda x, g: pipeline(flip, 3), "functions: expected functions like flip, got 3"),
    ],
)
def test_impossible_settings_are_refused(augment, message):
    with pytest.raises(ValueError, match=message):
        augment(torch.ones(2, 1, 4, 4), seeded())
