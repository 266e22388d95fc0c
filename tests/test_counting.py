"""Chapter 6: what networks cost, against the formula for one layer and torch's own counter."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnncourse.architecture.counting import count, totals, walk_through
from cnncourse.architecture.networks import inception_resnet_v2, lenet5, small_net, vgg16
from cnncourse.convolution import layer_cost


def meta(build, **options):
    """Build a network without memory."""
    with torch.device("meta"):
        return build(**options)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.tuples(st.integers(1, 4), st.integers(1, 3)),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(0, 2)] * 2),
    st.booleans(),
)
def test_a_convolution_costs_what_layer_cost_says(groups, kernel, stride, padding, bias):
    words = {"out_channels": 2 * groups, "kernel_size": kernel, "stride": stride}
    words |= {"padding": padding, "groups": groups, "bias": bias}
    shape = (3 * groups, 9, 11)
    (row,) = count(meta(lambda: nn.Conv2d(shape[0], **words)), shape)
    cost = layer_cost(shape, words)
    assert row["parameters"] == cost["parameters"]
    assert row["multiply_adds"] == cost["multiply_adds"]
    assert (1, *row["output_shape"]) == cost["output_shape"]


def test_multiply_adds_are_half_of_torchs_own_flops():
    from torch.utils.flop_counter import FlopCounterMode

    model = nn.Sequential(
        nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2),
        nn.Conv2d(6, 6, 3, dilation=2, groups=6),
        nn.Conv2d(6, 4, (1, 3), stride=(2, 1)),
        nn.Linear(14, 5),
    )
    x = torch.zeros(1, 4, 7, 10)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert 2 * totals(count(model, (4, 7, 10)))["multiply_adds"] == counter.get_total_flops()


def test_linear_layers_count_every_position():
    (row,) = count(nn.Linear(5, 3), (7, 5))
    assert row["output_shape"] == (7, 3)
    assert (row["parameters"], row["multiply_adds"]) == (18, 7 * 15)


def test_a_layer_that_is_used_twice_has_its_parameters_once_and_its_work_twice():
    shared = nn.Conv2d(2, 2, 3, padding=1)
    rows = count(nn.Sequential(shared, shared), (2, 5, 4))
    assert [row["parameters"] for row in rows] == [38, 0]
    assert [row["multiply_adds"] for row in rows] == [36 * 20, 36 * 20]


def test_tied_weights_are_counted_once():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    assert totals(count(nn.Sequential(first, second), (4,)))["parameters"] == 16 + 4 + 4


def test_parameters_of_layers_that_were_not_called_are_listed_last():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.used = nn.Linear(3, 2), nn.Linear(3, 1)
            self.own = nn.Parameter(torch.zeros(5))

        def forward(self, x):
            return self.used(x)

    rows = count(Half(), (3,))
    found = [(row["name"], row["output_shape"], row["parameters"]) for row in rows]
    assert found == [("used", (1,), 4), ("", (1,), 5), ("unused", (), 8)]


def test_counting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(), nn.Conv2d(2, 3, 1)).double()
    model[0].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count(model, (2, 4, 5))
    walk_through(model, (2, 4, 5))
    assert [module.training for module in model] == [False, True, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_are_taken_away_when_the_image_does_not_fit():
    model = nn.Sequential(nn.Conv2d(2, 3, 5))
    with pytest.raises(RuntimeError):
        count(model, (2, 3, 3))
    assert not model[0]._forward_hooks
    assert model.training


def test_counting_needs_no_memory_on_the_meta_device():
    assert all(p.is_meta for p in meta(vgg16).parameters())


def test_walk_through_names_parts_or_says_what_they_are():
    steps = walk_through(lenet5(), (1, 28, 28))
    assert steps[:4] == [
        ("input", (1, 28, 28)),
        ("convolution 5×5", (6, 28, 28)),
        ("tanh", (6, 28, 28)),
        ("mean pooling 2×2", (6, 14, 14)),
    ]
    assert steps[-1] == ("dense", (10,))
    titles = [title for title, _ in walk_through(meta(inception_resnet_v2), (3, 299, 299))]
    assert titles[:4] == ["input", "stem", "blocks a", "reduction a"]
    titles = [title for title, _ in walk_through(small_net(), (1, 28, 28))]
    assert titles[1] == "convolution 3×3, batch norm, ReLU"


def test_walk_through_of_one_layer_is_one_step():
    assert walk_through(nn.ReLU(), (2, 3)) == [("input", (2, 3)), ("ReLU", (2, 3))]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count("vgg16", (3, 4, 4)), "model: expected a torch.nn.Module, got str"),
        (lambda: walk_through(vgg16, (3, 4, 4)), "model: expected a torch.nn.Module, got function"),
        (lambda: count(nn.ReLU(), 3), "input_shape: expected (C, H, W), got 3"),
        (
            lambda: count(nn.ReLU(), (3, 0)),
            "input_shape: expected a whole number of 1 or more, got 0",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
