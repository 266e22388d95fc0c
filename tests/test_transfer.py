"""Chapter 8: the trained network against its reference, and what is done with it."""

import re
import socket

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from cnncourse import data
from cnncourse.transfer import (
    WEIGHTS_SHA256,
    Frozen,
    SameConv2d,
    class_activation_map,
    classify,
    efficientnet_lite0,
    extract,
    freeze_batch_norm,
    imagenet_names,
    occlusion_map,
    prepare,
    weights_file,
)


@pytest.fixture(scope="module")
def lite0():
    return efficientnet_lite0(pretrained=True).eval()


@pytest.fixture(scope="module")
def reference():
    """Build the implementation that the weights came with; without a size it pads as it must."""
    model = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(weights_file(), weights_only=True))
    return model.eval()


@pytest.fixture(scope="module")
def cat():
    return prepare(data.photo("cat"))


def scores_of(columns):
    """Return an image whose numbers are the scores that `nn.Flatten` makes of it."""
    return torch.tensor([[[columns]]], dtype=torch.float32)


# --- the network ---


@pytest.mark.parametrize("shape", [(2, 3, 224, 224), (1, 3, 97, 130), (1, 3, 32, 64)])
def test_lite0_computes_what_the_reference_computes(lite0, reference, shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        theirs = reference(images)
        torch.testing.assert_close(lite0(images), theirs, rtol=1e-5, atol=1e-5)
    assert theirs.abs().max() > 1


def test_lite0_trains_as_the_reference_does_too(reference):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64)
    ours = efficientnet_lite0(pretrained=True).train()
    theirs = EfficientNet.from_name("efficientnet-lite0", image_size=None, drop_connect_rate=0)
    theirs.load_state_dict(reference.state_dict())
    for model in (ours.train(), theirs.train()):
        torch.manual_seed(1)  # the same dropout
        model(images).square().mean().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_another_task_keeps_everything_but_the_last_layer(lite0):
    model = efficientnet_lite0(classes=7, pretrained=True)
    assert model.classes.weight.shape == (7, 1280)
    for (name, ours), theirs in zip(
        model.state_dict().items(), lite0.state_dict().values(), strict=True
    ):
        assert name.startswith("classes.") or torch.equal(ours, theirs)


def test_without_weights_the_seed_decides():
    built = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        built.append(efficientnet_lite0(3).classes.weight)
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_parts_can_be_cut_like_a_list(lite0, cat):
    with torch.inference_mode():
        assert lite0[:-2](cat).shape == (1, 1280)
        torch.testing.assert_close(lite0[9:](lite0[:9](cat)), lite0(cat))


@given(
    st.tuples(*[st.integers(1, 9)] * 2),
    st.tuples(*[st.integers(1, 5)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2),
)
def test_same_padding_gives_one_output_for_every_stride_begun(size, kernel, stride):
    layer = SameConv2d(2, 3, kernel, stride)
    y = layer(torch.zeros(1, 2, *size))
    assert y.shape[2:] == tuple(-(-n // s) for n, s in zip(size, stride, strict=True))


def test_same_padding_with_stride_1_is_torchs():
    layer = SameConv2d(2, 3, (3, 5))
    x = torch.randn(1, 2, 7, 8)
    theirs = functional.conv2d(x, layer.weight, layer.bias, padding="same")
    torch.testing.assert_close(layer(x), theirs)


# --- weights and names ---


def test_weights_are_found_without_a_network(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert weights_file().stat().st_size > 15_000_000


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "lite0.pth"
    content = bytearray(weights_file().read_bytes())
    content[1_000_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"path: expected weights with SHA-256 {WEIGHTS_SHA256[:12]}"
    ):
        weights_file(path)
    path.write_bytes(content[:500])
    with pytest.raises(ValueError, match=r"lite0\.pth: the file is damaged"):
        weights_file(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"got .*nowhere\.pth, which is not there"):
        weights_file(tmp_path / "nowhere.pth")


def test_names_are_a_thousand_of_which_two_stand_twice():
    names = imagenet_names()
    assert len(names) == 1000
    assert sorted({name for name in names if names.count(name) > 1}) == ["crane", "maillot"]


# --- pictures in, names out ---


def test_pixels_are_brought_to_the_range_of_training():
    picture = np.array([[0.0, 127 / 255], [1.0, 63 / 255]])
    ours = prepare(picture, size=2)
    assert ours.dtype == torch.float32
    theirs = torch.tensor([[-127, 0], [128, -64]]) / 128
    torch.testing.assert_close(ours, theirs.expand(1, 3, 2, 2), rtol=0, atol=1e-6)


@given(st.integers(8, 60), st.integers(8, 60), st.integers(1, 40))
def test_any_shape_becomes_a_square(height, width, size):
    assert prepare(np.zeros((height, width, 3)), size).shape == (1, 3, size, size)


def test_the_middle_is_cut_out_of_a_long_picture():
    long = np.zeros((4, 12))
    long[:, 4:8] = 1
    assert (prepare(long, size=4, mean=0, deviation=1) == 1).all()
    assert (prepare(long.T, size=4, mean=0, deviation=1) == 1).all()


def test_every_layout_means_the_same_picture(rng):
    picture = rng.random((6, 8, 3))
    batch = picture.transpose(2, 0, 1)[None]
    assert torch.equal(prepare(picture, 6), prepare(batch, 6))
    gray = picture[..., 0]
    assert torch.equal(prepare(gray, 6), prepare(np.stack([gray] * 3, -1), 6))
    assert torch.equal(prepare(gray[None, None], 6), prepare(gray, 6))
    picture.flags.writeable = False
    assert prepare(picture[::-1, ::2], 3).shape == (1, 3, 3, 3)


def test_shrinking_averages_instead_of_dropping_pixels():
    stripes = np.tile([0.0, 1.0], (64, 32))
    shrunk = prepare(stripes, size=8, mean=0, deviation=1)
    assert abs(shrunk[..., 1:-1] - 0.5).max() < 0.05


def test_the_largest_shares_come_first():
    found = classify(nn.Flatten(), scores_of([0.0, 3, 1]), ["a", "b", "c"], best=3)
    shares = torch.tensor([0.0, 3, 1]).softmax(0)
    assert [name for name, _ in found[0]] == ["b", "c", "a"]
    np.testing.assert_allclose([s for _, s in found[0]], shares[[1, 2, 0]], rtol=1e-6)


def test_the_cat_is_a_cat_and_the_coffee_espresso(lite0, cat):
    names = imagenet_names()
    pictures = torch.cat([cat, prepare(data.photo("coffee"))])
    feline, drink = classify(lite0, pictures, names)
    assert {name for name, _ in feline[:3]} == {"Egyptian cat", "tiger cat", "tabby"}
    assert drink[0][0] == "espresso"
    assert drink[0][1] > 0.8


# --- features ---


def test_extraction_does_not_depend_on_the_batches(lite0, rng):
    images = prepare(rng.random((5, 1, 40, 40)), 40)
    whole, pieces = extract(lite0[:5], images, 5), extract(lite0[:5], images, 2)
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-4)
    assert whole.shape[0] == 5


def test_extraction_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    out = extract(model, torch.randn(4, 2, 3, 3))
    assert [m.training for m in model] == [True, False]
    assert all(torch.equal(before[n], tensor) for n, tensor in model.state_dict().items())
    assert not out.requires_grad


def test_extracted_features_can_be_trained_on():
    features = extract(nn.Flatten(), torch.randn(4, 1, 2, 2))
    head = nn.Linear(4, 2)
    head(features).sum().backward()  # tensors of inference mode would refuse
    assert head.weight.grad is not None


def test_what_is_frozen_stays_while_the_head_learns():
    torch.manual_seed(0)
    base = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())
    model = nn.Sequential(Frozen(base), nn.Linear(16, 2)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(8, 1, 4, 4) + 5
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        model(images).square().mean().backward()
        optimiser.step()
    after = model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"1.weight", "1.bias"}
    assert torch.equal(model[0](images), model[0](images))  # no dropout


def test_without_frozen_batch_norm_goes_on_moving():
    base = nn.BatchNorm2d(1).requires_grad_(False).train()
    base(torch.full((4, 1, 2, 2), 5.0))
    assert base.running_mean.item() == pytest.approx(0.5)


def test_fine_tuning_with_frozen_batch_norm_changes_only_the_convolutions():
    torch.manual_seed(0)
    model = freeze_batch_norm(efficientnet_lite0(2, pretrained=True)[14:]).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    model(torch.randn(4, 192, 3, 2)).square().mean().backward()
    optimiser.step()
    changed = {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {n for n, p in model.named_parameters() if p.requires_grad}
    assert len(changed) == 3 * 3 + 1 + 2  # three blocks, features, classes with a bias


def test_freezing_batch_norm_changes_no_output(lite0, cat):
    model = freeze_batch_norm(efficientnet_lite0(pretrained=True)).train()
    model.dropout.eval()
    with torch.inference_mode():
        torch.testing.assert_close(model(cat), lite0(cat))
    frozen = [m for m in model.modules() if isinstance(m, Frozen)]
    freeze_batch_norm(model)
    assert [m for m in model.modules() if isinstance(m, Frozen)] == frozen  # once is enough


# --- where the network looks ---


def test_the_maps_mean_plus_the_bias_is_the_score(lite0, cat):
    with torch.inference_mode():
        scores = lite0(cat)[0]
    for number in (281, 967):
        cam = class_activation_map(lite0, cat, number)
        assert cam.shape == (7, 7)
        assert cam.dtype == np.float32
        score = cam.mean() + lite0.classes.bias[number].item()
        assert score == pytest.approx(scores[number].item(), abs=1e-3)


def test_covering_costs_the_share_of_what_is_covered():
    found = occlusion_map(nn.Flatten(), scores_of([2.0, 0, 1]), number=0, side=1, step=1)
    before = torch.tensor([2.0, 0, 1]).softmax(0)[0]
    after = [torch.tensor(s).softmax(0)[0] for s in ([0.0, 0, 1], [2.0, 0, 1], [2.0, 0, 0])]
    np.testing.assert_allclose(found[0], [before - a for a in after], rtol=1e-5, atol=1e-7)
    assert found[0, 2] < 0  # the third number speaks against the first class


def test_every_place_of_the_square_is_tried():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    image = torch.ones(1, 1, 7, 12)
    assert occlusion_map(model, image, number=0, side=3, step=2).shape == (3, 5)
    assert (image == 1).all()


# --- refusals ---

IMAGE = torch.zeros(1, 3, 40, 40)
PAIR = torch.tensor([[[[1.0, 2]]]])  # its own scores


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: prepare(np.zeros((5, 5, 3)) + 200),
            "numbers from 0 to 1, got 200 to 200; divide by 255",
        ),
        (
            lambda: prepare(np.full((5, 5), np.nan)),
            "images: expected numbers from 0 to 1, got nan to nan",
        ),
        (
            lambda: prepare(np.full((5, 5), -1.0)),
            "images: expected numbers from 0 to 1, got -1 to -1",
        ),
        (
            lambda: prepare(np.zeros((2, 5, 6, 3))),
            "got shape (2, 5, 6, 3); move the channels to the second",
        ),
        (lambda: prepare(np.zeros((5, 6, 4))), "images: expected (H, W), (H, W, 3), (N, 1, H, W)"),
        (lambda: prepare(np.zeros((0, 3, 4, 4))), "got shape (0, 3, 4, 4)"),
        (lambda: prepare(np.array(["a"])), "images: expected real numbers, got dtype <U1"),
        (lambda: prepare(np.zeros((5, 5)), size=0), "size: expected a whole number above 0, got 0"),
        (
            lambda: classify(nn.Flatten(), PAIR, ["a"]),
            "names: expected one for each of 2 outputs, got 1",
        ),
        (lambda: classify(nn.Flatten(), PAIR, ["a", "b"], 3), "best: expected at most 2, got 3"),
        (
            lambda: extract(nn.Flatten(), IMAGE, 0),
            "batch_size: expected a whole number above 0, got 0",
        ),
        (lambda: efficientnet_lite0(0), "classes: expected a whole number of 1 or more, got 0"),
        (
            lambda: class_activation_map(efficientnet_lite0(3), IMAGE, 3),
            "number: expected a class from 0 to 2, got 3",
        ),
        (
            lambda: class_activation_map(efficientnet_lite0(3), IMAGE.repeat(2, 1, 1, 1), 0),
            "expected one, (1, 3, H, W), got shape (2, 3, 40, 40)",
        ),
        (
            lambda: occlusion_map(nn.Flatten(), IMAGE, 0, side=41),
            "side: expected at most 40, got 41",
        ),
        (
            lambda: occlusion_map(nn.Flatten(), IMAGE[0], 0),
            "expected one, (1, 3, H, W), got shape (3, 40, 40)",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
