"""Chapter 6: whole networks, counted, against published numbers."""

import re

import pytest
import torch
from torch import nn

from cnncourse.architecture.blocks import Skip
from cnncourse.architecture.counting import PUBLISHED, count, totals, walk_through
from cnncourse.architecture.networks import (
    NETWORKS,
    alexnet,
    compact_net,
    densenet121,
    efficientnet_b0,
    googlenet,
    inception_resnet_v2,
    lenet5,
    plain_net,
    residual_net,
    resnet18,
    resnet50,
    resnext50_32x4d,
    small_net,
    vgg16,
    xception,
)

EXACT = [name for name in NETWORKS if name != "lenet5"]


def meta(build, **options):
    """Build a network without memory."""
    with torch.device("meta"):
        return build(**options)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def running_statistics(model):
    """Count what Keras calls parameters that are not trained."""
    return sum(b.numel() for b in model.buffers() if b.ndim)


def normalised_maps(model):
    return sum(m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.fixture(scope="module")
def counted():
    """Return the rows of every network that has a name, counted once."""
    return {name: count(meta(build), shape) for name, (build, shape) in NETWORKS.items()}


# --- published numbers ---


def test_the_registry_and_the_published_table_have_the_same_networks():
    assert list(NETWORKS) == list(PUBLISHED)
    assert all(source for *_, source in PUBLISHED.values())


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_the_published_ones_to_the_last(counted, name):
    assert totals(counted[name])["parameters"] == PUBLISHED[name][0]


@pytest.mark.parametrize("name", EXACT)
def test_multiply_adds_are_the_published_ones_up_to_their_rounding(counted, name):
    unit = {"xception": 10**8, "inception_resnet_v2": 10**9}.get(name, 10**6)
    assert abs(totals(counted[name])["multiply_adds"] - PUBLISHED[name][1]) <= unit / 2


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_ends_in_its_classes(counted, name):
    assert counted[name][-1]["output_shape"] == (10 if name == "lenet5" else 1000,)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_hold_every_parameter_of_the_model(counted, name):
    assert totals(counted[name])["parameters"] == parameters(meta(NETWORKS[name][0]))


def test_multiply_adds_as_known_to_the_last():
    known = {"vgg16": 15_470_264_320, "lenet5": 416_520}
    for name, number in known.items():
        build, shape = NETWORKS[name]
        assert totals(count(meta(build), shape))["multiply_adds"] == number


def test_lenets_60000_come_from_sparser_connections_trained_pooling_and_a_fixed_output():
    rows = [row for row in count(lenet5(), (1, 28, 28)) if row["multiply_adds"]]
    C1, C3, C5, F6, output = (row["parameters"] for row in rows)
    assert PUBLISHED["lenet5"][0] == C1 + 12 + 1_516 + 32 + C5 + F6
    assert (C3, output) == (2_416, 850)
    # six maps read 3 others each, nine read 4 and one all 6: LeCun et al. 1998, Table I
    assert 25 * (6 * 3 + 9 * 4 + 6) + 16 == 1_516


def test_alexnet_for_two_gpus_has_the_papers_60_million():
    assert parameters(meta(alexnet, two_gpus=True)) == 60_965_224
    assert walk_through(meta(alexnet, two_gpus=True), (3, 224, 224))[1][1] == (256, 6, 6)


def test_googlenet_with_5_by_5_kernels_has_caffes_weights():
    model = meta(googlenet)
    assert sum(p.numel() for p in model.parameters() if p.ndim > 1) == 6_990_272
    # caffe: a bias a map, where batch normalisation has a scale and a shift
    assert parameters(model) - normalised_maps(model) == 6_998_552


def test_resnet50_has_the_papers_operations_when_the_first_1_by_1_has_the_stride():
    model = meta(resnet50)
    for skip in [module for module in model.modules() if isinstance(module, Skip)]:
        one, three = skip.function[0][0], skip.function[1][0]
        one.stride, three.stride = three.stride, one.stride
    cost = totals(count(model, (3, 224, 224)))
    assert cost["parameters"] == 25_557_032
    assert 3.8e9 < cost["multiply_adds"] < 3.9e9  # "3.8 · 10⁹" in Table 1


def test_keras_counts_running_statistics_too():
    model = meta(xception)
    assert parameters(model) + running_statistics(model) == 22_910_480
    model = meta(inception_resnet_v2)
    scales = normalised_maps(model)
    assert parameters(model) - scales == 55_813_192  # trainable
    assert parameters(model) - scales + running_statistics(model) == 55_873_736


def test_cifar_nets_have_the_papers_millions():
    millions = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}  # He et al. 2016, Table 6
    for depth, expected in millions.items():
        number = parameters(meta(residual_net, depth=depth)) / 1e6
        assert round(number, 1 if depth == 110 else 2) == expected


# --- shapes and layers ---


def test_grids_are_those_of_the_papers():
    def sizes(build, side):
        return [shape[1] for _, shape in walk_through(meta(build), (3, side, side))[1:-1]]

    assert sizes(vgg16, 224) == [112, 56, 28, 14, 7]
    assert sizes(googlenet, 224) == [28, 14, 7, 7]
    assert sizes(resnet18, 224) == sizes(resnet50, 224) == [56, 56, 28, 14, 7]
    assert sizes(resnext50_32x4d, 224) == [56, 56, 28, 14, 7]
    assert sizes(densenet121, 224) == [56, 56, 28, 28, 14, 14, 7, 7, 7]
    assert sizes(xception, 299) == [147, 19, 19, 10]
    assert sizes(inception_resnet_v2, 299) == [35, 35, 17, 17, 8, 8, 8]
    assert sizes(efficientnet_b0, 224) == [112, 112, 56, 28, 14, 14, 7, 7, 7]


def test_networks_have_the_layers_that_they_are_named_after():
    def layers(rows):
        return [row for row in rows if row["multiply_adds"]]

    by_name = {"vgg16": vgg16, "resnet18": resnet18, "resnet50": resnet50}
    for name, build in by_name.items():
        rows = layers(count(meta(build), (3, 224, 224)))
        main = [row for row in rows if "shortcut" not in row["name"]]
        assert len(main) == int(re.search(r"\d+", name)[0])
    assert len(layers(count(meta(densenet121), (3, 224, 224)))) == 121
    assert len(layers(count(meta(plain_net, depth=20), (3, 32, 32)))) == 20
    assert len(layers(count(meta(residual_net, depth=20), (3, 32, 32)))) == 20


def test_plain_and_residual_nets_have_equal_parameters_with_option_a():
    for depth in (8, 20):
        assert parameters(plain_net(depth)) == parameters(residual_net(depth))
    more = parameters(residual_net(20, option="B")) - parameters(residual_net(20))
    assert more == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_plain_and_residual_nets_differ_by_the_shortcuts_alone():
    plain, residual = plain_net(8).eval(), residual_net(8).eval()
    weights = zip(plain.parameters(), residual.parameters(), strict=True)
    assert all(a.shape == b.shape for a, b in weights)
    residual.load_state_dict(
        dict(zip(residual.state_dict(), plain.state_dict().values(), strict=True))
    )
    for module in residual.modules():
        if hasattr(module, "shortcut"):
            module.shortcut.forward = lambda x: 0
    x = torch.randn(2, 3, 16, 12)
    torch.testing.assert_close(plain(x), residual(x))


@pytest.mark.parametrize("pool", [False, True])
def test_small_net_takes_any_size_and_both_ways_to_halve(pool):
    model = small_net(2, 7, widths=(4, 8), pool=pool).eval()
    assert model(torch.randn(3, 2, 28, 20)).shape == (3, 7)
    assert [s for _, s in walk_through(model, (2, 28, 20))][2 if pool else 1] == (4, 14, 10)
    assert parameters(model) == 4 * 2 * 9 + 8 + 8 * 4 * 9 + 16 + 8 * 7 + 7


@pytest.mark.parametrize(
    ("build", "side"),
    [
        (googlenet, 33),
        (resnet18, 33),
        (resnet50, 33),
        (resnext50_32x4d, 33),
        (densenet121, 33),
        (xception, 71),
        (efficientnet_b0, 33),
    ],
)
def test_large_networks_run_on_small_rectangles(build, side):
    model = build(classes=3).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, side, side + 8)).shape == (2, 3)


def test_networks_with_dense_layers_run_on_small_images_too():
    for build in (alexnet, vgg16):
        assert count(meta(build, classes=3), (3, 64, 80))[-1]["output_shape"] == (3,)
    assert count(meta(inception_resnet_v2, classes=3), (3, 75, 83))[-1]["output_shape"] == (3,)


def test_a_seed_gives_the_same_network_again():
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(lenet5(activation=nn.ReLU))
    same = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert nets[0](torch.randn(1, 1, 28, 28)).shape == (1, 10)


# --- refusals ---


@pytest.mark.parametrize(("size", "widths"), [(28, (4, 6)), (9, (5,)), (32, (2, 3, 4, 5, 6))])
def test_compact_net_fits_its_size(size, widths):
    model = compact_net(3, 7, widths, size).eval()
    assert model(torch.randn(2, 3, size, size)).shape == (2, 7)


def test_compact_net_computes_as_if_it_pooled_last():
    torch.manual_seed(0)
    model = compact_net(widths=(4,), size=6).eval()
    model[2].running_mean.normal_()
    x = torch.randn(2, 1, 6, 6)
    late = model[1](model[3](model[2](model[0](x))))  # the scales are positive: order is kept
    torch.testing.assert_close(model[:4](x), late)


@pytest.mark.parametrize("build", [plain_net, residual_net])
def test_of_all_depths_only_6n_plus_2_is_built(build):
    def is_built(depth):
        try:
            return bool(meta(build, depth=depth))
        except ValueError:
            return False

    assert [depth for depth in range(30) if is_built(depth)] == [8, 14, 20, 26]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plain_net(21), "depth: expected 6·n + 2, such as 8, 14 or 20, got 21"),
        (lambda: compact_net(widths=()), "widths: expected 1 to 4 of them, got ()"),
        (lambda: compact_net(widths=[8] * 5), "expected 1 to 4 of them, got [8, 8, 8, 8, 8]"),
        (lambda: residual_net(2), "depth: expected 6·n + 2, such as 8, 14 or 20, got 2"),
        (lambda: residual_net(20.0), "depth: expected a whole number of 1 or more, got 20.0"),
        (lambda: residual_net(20, option="C"), "option: expected one of 'A', 'B', got 'C'"),
        (lambda: small_net(widths=()), "widths: expected at least one number of maps, got none"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
