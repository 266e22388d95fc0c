"""Chapter 6: every block against its composition by hand, in torch's functions."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.architecture.blocks import (
    Branches,
    Gate,
    Skip,
    alexnet_block,
    bottleneck_block,
    conv_bn,
    dense_block,
    inception_block,
    inception_resnet_block,
    mbconv_block,
    residual_block,
    resnext_block,
    separable_conv,
    transition_block,
    vgg_block,
    xception_block,
)
from cnncourse.convolution import layer_cost

nn, F = torch.nn, torch.nn.functional

rectangles = st.tuples(st.integers(1, 2), st.integers(5, 12), st.integers(5, 12))


def many(examples):
    return settings(max_examples=examples, deadline=None)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)


def ready(block, C, shape=(2, 9, 7)):
    """Return the block in float64 with random running statistics, and images for it."""
    torch.manual_seed(0)
    block = block.double().eval()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_()
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 2)
    N, H, W = shape
    return block, torch.randn(N, C, H, W, dtype=torch.float64)


class Parts:
    """Apply a block's convolutions and normalisations in order, by torch's functions."""

    def __init__(self, block):
        wanted = nn.Conv2d, nn.BatchNorm2d
        self.modules = [module for module in block.modules() if isinstance(module, wanted)]

    def conv(self, x, **options):
        module = self.modules.pop(0)
        return F.conv2d(x, module.weight, module.bias, **options)

    def norm(self, x):
        m = self.modules.pop(0)
        scale = m.weight / torch.sqrt(m.running_var + m.eps)
        return (x - m.running_mean[:, None, None]) * scale[:, None, None] + m.bias[:, None, None]

    def conv_norm(self, x, **options):
        return self.norm(self.conv(x, **options))

    def conv_norm_relu(self, x, **options):
        return self.conv_norm(x, **options).relu()


def weights(block):
    return sum(p.numel() for p in block.parameters() if p.ndim == 4)


# --- how paths meet ---


def test_branches_lay_channels_side_by_side_in_order():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(Branches(nn.Identity(), nn.ReLU())(x), torch.cat([x, x.clamp(min=0)], 1))


def test_a_skip_adds_the_shortcut_and_the_scaled_function():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(Skip(nn.ReLU(), scale=0.25)(x), x + 0.25 * x.relu())
    assert torch.equal(Skip(nn.ReLU(), nn.Flatten(0), 0)(x[0, 0, 0]), x[0, 0, 0])


def test_a_skip_around_nothing_passes_the_gradient_on_and_adds_the_functions_own():
    x = torch.randn(2, 3, requires_grad=True)
    dy = torch.randn(2, 3)
    (dx,) = torch.autograd.grad(Skip(nn.Tanh())(x), x, dy)
    torch.testing.assert_close(dx, dy * (1 + 1 - x.tanh() ** 2))


def test_a_gate_multiplies_the_input_by_what_the_function_says_of_it():
    x = torch.randn(2, 3, 4, 5)
    gate = Gate(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid()))
    torch.testing.assert_close(gate(x), x * x.mean((2, 3), keepdim=True).sigmoid())


# --- each block is its definition ---


@many(20)
@given(rectangles, st.integers(1, 3), st.sampled_from([1, 3, 5, (1, 7), (3, 1)]))
def test_conv_bn_is_convolution_then_normalisation_then_relu(shape, stride, kernel):
    block, x = ready(conv_bn(4, 6, kernel, stride, groups=2), 4, shape)
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    options = {"stride": stride, "padding": (rows // 2, columns // 2), "groups": 2}
    close(block(x), Parts(block).conv_norm_relu(x, **options))


def test_conv_bn_without_activation_stops_before_it_and_takes_a_padding():
    block, x = ready(conv_bn(4, 6, padding=0, activation=None), 4)
    close(block(x), Parts(block).conv_norm(x))
    assert (block(x) < 0).any()


def test_conv_bn_has_no_bias_before_the_normalisation():
    assert [tuple(p.shape) for p in conv_bn(2, 5).parameters()] == [(5, 2, 3, 3), (5,), (5,)]


@many(20)
@given(rectangles)
def test_alexnet_block_pools_with_overlap_after_relu(shape):
    block, x = ready(alexnet_block(4, 6, (5, 3), stride=(1, 2), padding=2, groups=2), 4, shape)
    y = Parts(block).conv(x, stride=(1, 2), padding=2, groups=2).relu()
    close(block(x), F.max_pool2d(y, 3, 2))


@many(20)
@given(rectangles, st.integers(1, 3))
def test_vgg_block_is_3_by_3_layers_and_one_pooling(shape, depth):
    block, y = ready(vgg_block(3, 5, depth), 3, shape)
    parts, x = Parts(block), y
    for _ in range(depth):
        y = parts.conv(y, padding=1).relu()
    close(block(x), F.max_pool2d(y, 2))


@many(10)
@given(rectangles, st.sampled_from([3, 5]))
def test_inception_block_is_the_concatenation_of_four_branches(shape, kernel):
    block, x = ready(inception_block(6, 2, (3, 4), (1, 5), 3, kernel), 6, shape)
    parts = Parts(block)
    one = parts.conv_norm_relu(x)
    three = parts.conv_norm_relu(parts.conv_norm_relu(x), padding=1)
    five = parts.conv_norm_relu(parts.conv_norm_relu(x), padding=kernel // 2)
    pool = parts.conv_norm_relu(F.max_pool2d(x, 3, 1, 1))
    close(block(x), torch.cat([one, three, five, pool], 1))
    assert block(x).shape[1] == 2 + 4 + 5 + 3


def test_residual_block_is_relu_of_x_plus_f_of_x():
    block, x = ready(residual_block(4, 4), 4)
    parts = Parts(block)
    f = parts.conv_norm(parts.conv_norm_relu(x, padding=1), padding=1)
    close(block(x), (x + f).relu())


@many(10)
@given(rectangles)
def test_option_b_projects_the_shortcut(shape):
    block, x = ready(residual_block(4, 6, stride=2), 4, shape)
    parts = Parts(block)
    f = parts.conv_norm(parts.conv_norm_relu(x, stride=2, padding=1), padding=1)
    close(block(x), (parts.conv_norm(x, stride=2) + f).relu())


@many(10)
@given(rectangles)
def test_option_a_takes_every_second_pixel_and_fills_with_zeros(shape):
    block, x = ready(residual_block(4, 6, stride=2, option="A"), 4, shape)
    parts = Parts(block)
    f = parts.conv_norm(parts.conv_norm_relu(x, stride=2, padding=1), padding=1)
    f[:, :4] += x[:, :, ::2, ::2]
    close(block(x), f.relu())


def test_a_residual_block_whose_function_gives_nothing_passes_positive_maps_on():
    block, x = ready(residual_block(4, 4), 4)
    last = Parts(block).modules[-1]
    last.weight.data.zero_(), last.bias.data.zero_()
    assert torch.equal(block(x.abs()), x.abs())


@pytest.mark.parametrize(("block", "groups"), [(bottleneck_block, 1), (resnext_block, 4)])
def test_bottleneck_narrows_convolves_and_widens(block, groups):
    options = {"cardinality": groups} if groups > 1 else {}
    block, x = ready(block(6, 16, stride=2, **options), 6)
    parts = Parts(block)
    f = parts.conv_norm_relu(x)
    f = parts.conv_norm_relu(f, stride=2, padding=1, groups=groups)
    f = parts.conv_norm(f)
    close(block(x), (parts.conv_norm(x, stride=2) + f).relu())


def test_widths_are_a_quarter_in_the_bottleneck_and_half_in_resnext():
    assert Parts(bottleneck_block(256, 256)).modules[0].out_channels == 64
    assert Parts(resnext_block(256, 256)).modules[0].out_channels == 128


def test_a_grouped_layer_has_a_groupth_of_the_weights():
    C, K = 128, 128
    assert weights(conv_bn(C, K, groups=32)) == C * K * 9 // 32
    words = {"out_channels": K, "kernel_size": 3, "padding": 1, "groups": 32, "bias": False}
    assert layer_cost((C, 7, 7), words)["parameters"] == C * K * 9 // 32


@many(10)
@given(rectangles, st.integers(1, 3))
def test_dense_block_keeps_every_map_and_adds_new_ones(shape, layers):
    block, x = ready(dense_block(3, layers, growth=2), 3, shape)
    parts, y = Parts(block), x
    for _ in range(layers):
        new = parts.conv(parts.norm(y).relu())
        new = parts.conv(parts.norm(new).relu(), padding=1)
        y = torch.cat([y, new], 1)
    close(block(x), y)
    assert torch.equal(block(x)[:, :3], x)
    assert block(x).shape[1] == 3 + 2 * layers


def test_transition_block_mixes_to_fewer_maps_and_halves_by_means():
    block, x = ready(transition_block(6, 3), 6)
    parts = Parts(block)
    close(block(x), F.avg_pool2d(parts.conv(parts.norm(x).relu()), 2))


def test_separable_convolution_is_the_full_one_whose_kernels_factor():
    block, x = ready(separable_conv(3, 5), 3)
    space, mix = (module.weight for module in block)
    close(block(x), F.conv2d(x, mix * space[:, 0], padding=1))
    assert weights(block) == 9 * 3 + 3 * 5


@many(10)
@given(rectangles, st.sampled_from([1, 2]), st.booleans())
def test_xception_block_stacks_separable_convolutions_and_adds(shape, stride, relu_first):
    block, x = ready(xception_block(4, (3, 5), stride, relu_first), 4, shape)
    parts, f = Parts(block), x
    for maps in (4, 3):
        f = f if maps == 4 and not relu_first else f.relu()
        f = parts.norm(parts.conv(parts.conv(f, padding=1, groups=maps)))
    f = F.max_pool2d(f, 3, 2, 1) if stride == 2 else f
    close(block(x), parts.conv_norm(x, stride=stride) + f)


def test_the_middle_xception_block_adds_the_input_itself_unharmed():
    block, x = ready(xception_block(4, (4, 4, 4)), 4)
    before = x.clone()
    f, parts = x, Parts(block)
    for _ in range(3):
        f = parts.norm(parts.conv(parts.conv(f.relu(), padding=1, groups=4)))
    close(block(x), x + f)
    assert torch.equal(x, before)


@pytest.mark.parametrize("activation", [nn.ReLU, None])
def test_inception_resnet_block_adds_scaled_concatenated_branches(activation):
    branches = [(2, 1)], [(3, 1), (4, (1, 7)), (5, (7, 1))]
    block, x = ready(inception_resnet_block(6, branches, 0.17, activation), 6)
    parts = Parts(block)
    left = parts.conv_norm_relu(x)
    right = parts.conv_norm_relu(parts.conv_norm_relu(x), padding=(0, 3))
    right = parts.conv_norm_relu(right, padding=(3, 0))
    y = x + 0.17 * parts.conv(torch.cat([left, right], 1))
    close(block(x), y if activation is None else y.relu())


@many(10)
@given(rectangles, st.sampled_from([3, 5]), st.sampled_from([1, 2]), st.sampled_from([1, 6]))
def test_mbconv_widens_filters_weighs_narrows_and_adds(shape, kernel, stride, expansion):
    block, x = ready(mbconv_block(8, 8, kernel, stride, expansion), 8, shape)
    parts, y, width = Parts(block), x, 8 * expansion
    if expansion > 1:
        y = F.silu(parts.conv_norm(y))
    options = {"stride": stride, "padding": kernel // 2, "groups": width}
    y = F.silu(parts.conv_norm(y, **options))
    means = y.mean((2, 3), keepdim=True)
    y = y * parts.conv(F.silu(parts.conv(means))).sigmoid()
    y = parts.conv_norm(y)
    close(block(x), x + y if stride == 1 else y)


def test_mbconv_squeezes_to_a_quarter_of_its_input_and_adds_only_equal_shapes():
    convolutions = [m for m in mbconv_block(16, 24).modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [96, 96, 4, 96, 24]
    assert isinstance(mbconv_block(16, 16), Skip)
    assert not isinstance(mbconv_block(16, 24), Skip)


def test_a_depthwise_layer_has_one_kernel_a_channel():
    depthwise = [m for m in mbconv_block(16, 24).modules() if getattr(m, "groups", 1) > 1]
    assert [tuple(m.weight.shape) for m in depthwise] == [(96, 1, 3, 3)]


# --- stress ---

BLOCKS = {
    "conv_bn": lambda: conv_bn(8, 8),
    "alexnet": lambda: alexnet_block(8, 8, 3, padding=1),
    "vgg": lambda: vgg_block(8, 8, 2),
    "inception": lambda: inception_block(8, 2, (2, 2), (2, 2), 2),
    "residual": lambda: residual_block(8, 12, 2, "A"),
    "bottleneck": lambda: bottleneck_block(8, 8),
    "resnext": lambda: resnext_block(8, 16, cardinality=4),
    "dense": lambda: dense_block(8, 2, 4),
    "transition": lambda: transition_block(8, 4),
    "xception": lambda: xception_block(8, (8, 8)),
    "inception_resnet": lambda: inception_resnet_block(8, ([(2, 1)], [(2, 1), (3, 3)]), 0.1),
    "mbconv": lambda: mbconv_block(8, 8),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_parameter_of_a_block_gets_a_gradient_in_float32(name):
    torch.manual_seed(0)
    block, x = BLOCKS[name](), 100 + 0.01 * torch.randn(3, 8, 7, 9)
    y = block(x)
    y.backward(torch.randn_like(y))
    assert y.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in block.parameters())
    assert sum(p.grad.abs().sum() for p in block.parameters()) > 0


@pytest.mark.parametrize("name", BLOCKS)
def test_a_batch_of_one_strided_input_is_left_as_it_was(name):
    block, _ = ready(BLOCKS[name](), 8)
    base = torch.randn(1, 9, 7, 8, dtype=torch.float64)
    x = base.permute(0, 3, 2, 1)
    before = x.clone()
    close(block(x), block(x.contiguous()))
    assert torch.equal(x, before)


# --- refusals ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_bn(4, 6, groups=3), "groups: expected a divisor of 4 and 6 channels, got 3"),
        (lambda: conv_bn(4, 6, groups=0), "groups: expected a whole number above 0, got 0"),
        (lambda: conv_bn(4, 6, (3, 3, 3)), "kernel_size: expected a whole number or (rows, col"),
        (lambda: conv_bn(4, 6, 0), "kernel_size: expected a whole number of 1 or more, got 0"),
        (lambda: vgg_block(3, 4, 0), "depth: expected a whole number above 0, got 0"),
        (lambda: dense_block(3, 1.5), "layers: expected a whole number above 0, got 1.5"),
        (lambda: mbconv_block(3, 3, expansion=0), "expansion: expected a whole number above 0"),
        (lambda: residual_block(3, 4, option="C"), "option: expected one of 'A', 'B', got 'C'"),
        (
            lambda: residual_block(8, 4, option="A"),
            "out_channels: expected 8 or more with option 'A', got 4",
        ),
        (
            lambda: resnext_block(8, 10, cardinality=2),
            "groups: expected a divisor of 5 and 5 channels, got 2",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
