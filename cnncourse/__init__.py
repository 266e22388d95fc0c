"""Convolutional neural networks, from the visual cortex to transfer learning.

The public functions stand here in the order in which the chapters teach them.
Importing the package costs nothing: a module is loaded when one of its names is first used.

>>> import cnncourse
>>> cnncourse.correlate2d([[1, 2, 3]], [[1, 1]])
array([[3., 5.]])
"""

from importlib import import_module

MODULES = {
    "visual_cortex": (
        "responses",
        "bar",
        "receptive_field_map",
        "gabor",
        "simple_cell",
        "grating",
        "tuning_curve",
        "complex_cell",
        "orientation_map",
        "corner_cell",
        "permute_pixels",
        "dense_parameters",
        "local_parameters",
        "convolution_parameters",
    ),
    "filtering": (
        "BORDERS",
        "correlate2d",
        "convolve2d",
        "add_noise",
        "box_kernel",
        "gaussian_kernel",
        "identity_kernel",
        "shift_kernel",
        "sharpen_kernel",
        "emboss_kernel",
        "motion_kernel",
        "add_border",
        "separate",
        "correlate2d_separable",
        "correlate2d_fft",
        "multiplications",
    ),
    "edges": (
        "OPERATORS",
        "LAPLACIAN",
        "gradient",
        "gradient_magnitude",
        "gradient_direction",
        "laplacian",
        "log_kernel",
        "dog_kernel",
        "zero_crossings",
        "non_maximum_suppression",
        "hysteresis",
        "canny",
        "kernel_loss",
        "learn_kernel",
    ),
    "convolution": (
        "CONVENTIONS",
        "output_size",
        "same_padding",
        "pad2d",
        "patches",
        "conv2d",
        "conv2d_backward",
        "conv2d_transpose",
        "conv2d_matrix",
        "pixel_coverage",
        "receptive_field",
        "layer_cost",
    ),
    "pooling": (
        "max_pool2d",
        "max_pool2d_backward",
        "min_pool2d",
        "min_pool2d_backward",
        "avg_pool2d",
        "avg_pool2d_backward",
        "global_avg_pool2d",
        "global_avg_pool2d_backward",
        "blur_pool2d",
        "blur_pool2d_backward",
    ),
    "architecture.batch_last": (
        "batch_last",
        "conv2d_last",
        "conv2d_last_backward",
    ),
    "architecture.layers": (
        "Layer",
        "Sequential",
        "Conv2d",
        "Linear",
        "BatchNorm2d",
        "ReLU",
        "Sigmoid",
        "MaxPool2d",
        "AvgPool2d",
        "GlobalAvgPool2d",
        "Flatten",
        "Dropout",
        "Residual",
        "softmax",
        "softmax_cross_entropy",
    ),
    "architecture.blocks": (
        "Branches",
        "Skip",
        "Gate",
        "conv_bn",
        "alexnet_block",
        "vgg_block",
        "inception_block",
        "residual_block",
        "bottleneck_block",
        "resnext_block",
        "dense_block",
        "transition_block",
        "separable_conv",
        "xception_block",
        "inception_resnet_block",
        "mbconv_block",
    ),
    "architecture.networks": (
        "lenet5",
        "small_net",
        "compact_net",
        "plain_net",
        "residual_net",
        "alexnet",
        "vgg16",
        "googlenet",
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "densenet121",
        "xception",
        "inception_resnet_v2",
        "efficientnet_b0",
        "NETWORKS",
    ),
    "architecture.counting": (
        "PUBLISHED",
        "count",
        "totals",
        "walk_through",
    ),
    "training.losses": (
        "one_hot",
        "mean_squared_error",
        "cross_entropy",
    ),
    "training.initialisation": (
        "initialise",
        "spreads",
    ),
    "training.optimisers": (
        "SGD",
        "Adam",
        "constant",
        "step_decay",
        "cosine",
        "one_cycle",
        "SCHEDULES",
    ),
    "training.loop": (
        "batches",
        "train",
        "predict",
        "check_gradient",
    ),
    "training.metrics": (
        "confusion_matrix",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "balanced_accuracy",
    ),
    "training.augmentation": (
        "flip",
        "shift",
        "rotate",
        "crop",
        "cutout",
        "mixup",
        "pipeline",
    ),
    "training.evaluation": (
        "evaluate",
        "predict_classes",
    ),
    "training.checkpoint": (
        "save_checkpoint",
        "load_checkpoint",
    ),
    "training.processes": (),
    "training.fit": (
        "History",
        "fit",
    ),
    "training.range_test": ("range_test",),
    "transfer": (
        "WEIGHTS_SHA256",
        "efficientnet_lite0",
        "SameConv2d",
        "weights_file",
        "imagenet_names",
        "prepare",
        "classify",
        "extract",
        "Frozen",
        "freeze_batch_norm",
        "class_activation_map",
        "occlusion_map",
    ),
}
"""The public names of every module, in reading order; a chapter of several is a folder of them."""

CHAPTERS = {}
for _module, _names in MODULES.items():
    CHAPTERS[_module.split(".")[0]] = CHAPTERS.get(_module.split(".")[0], ()) + _names
"""The public names of every chapter."""

HELPERS = ("check", "data", "show", "live", "exercises", "classroom")
"""The modules that belong to no chapter."""

_HOME = {name: module for module, names in MODULES.items() for name in names}

__version__ = "0.1.0"
__all__ = [*HELPERS, *CHAPTERS, *_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in CHAPTERS or name in HELPERS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
