"""Convolutional neural networks, from the visual cortex to transfer learning.

The public functions stand here in the order in which the chapters teach them.
Importing the package costs nothing: a module is loaded when one of its names is first used.

>>> import cnncourse
>>> cnncourse.correlate2d([[1, 2, 3]], [[1, 1]])
array([[3., 5.]])
"""

from importlib import import_module

CHAPTERS = {
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
}
"""The public names of every chapter's module, in reading order."""

HELPERS = ("check", "data", "show", "live")
"""The modules that belong to no chapter."""

_HOME = {name: chapter for chapter, names in CHAPTERS.items() for name in names}

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
