"""Compare the package's layers with torch and SciPy: time on one thread, and memory.

``python benchmarks/convolution.py`` takes a minute or two, prints a table and writes it to
``benchmarks/latest.json``, which a page of the book shows. Every result is first compared with
torch's. Then come rounds: in each, every contestant runs for at least 10 ms, and every round begins
with another one, so that a machine that slows down slows all of them. A time is the median over the
rounds; a ratio is the median of the rounds' ratios. Budgets are stated, not enforced.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import ctypes
import datetime
import itertools
import json
import math
import platform
import re
import timeit
import tracemalloc
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.signal
import threadpoolctl  # comes with scikit-learn
import torch
from torch.nn import functional

from cnncourse import convolution, filtering, pooling

LAYERS = [  # x (N, C, H, W), weight (K, C / groups, R, S), stride, padding, groups
    ((1, 1, 512, 512), (1, 1, 3, 3), 1, 0, 1),
    ((1, 1, 512, 512), (1, 1, 31, 31), 1, 0, 1),
    ((64, 1, 28, 28), (32, 1, 5, 5), 1, 2, 1),
    ((32, 3, 32, 32), (32, 3, 3, 3), 1, 1, 1),
    ((32, 64, 32, 32), (64, 64, 3, 3), 1, 1, 1),
    ((1, 3, 150, 100), (200, 3, 5, 5), 1, 2, 1),
    ((4, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
    ((8, 256, 14, 14), (256, 256, 3, 3), 1, 1, 1),
    ((16, 128, 28, 28), (128, 128, 1, 1), 1, 0, 1),
    ((32, 64, 56, 56), (64, 1, 3, 3), 1, 1, 64),
]
POOLED = [(32, 64, 56, 56), (64, 32, 28, 28)]
WINDOWS = [(2, 2, 0), (3, 2, 1)]  # kernel_size, stride, padding
OURS = {  # where it is, and the budgets for our time / torch's: each row, and the rows' median
    "correlate2d": (filtering, 3.5, None),
    "correlate2d_fft": (filtering, 3.5, None),
    "conv2d": (convolution, 3.5, 2.0),
    "conv2d_backward": (convolution, 3.5, 1.5),
    "max_pool2d": (pooling, 0.5, None),
    "max_pool2d_backward": (pooling, 1.5, None),
    "avg_pool2d": (pooling, 0.5, None),
    "avg_pool2d_backward": (pooling, 1.5, None),
}
KEPT = 1  # the budget where max_pool2d also returns the winners
LARGE = 15 * 15  # kernels of more weights go through frequencies
SIDE = 1024  # of the matrices whose product shows what the processor can do
MB = 1e6
LATEST = Path(__file__).with_name("latest.json")


class Case(NamedTuple):
    """A row of the table: our function, forward or backward, and what it gets."""

    name: str
    inputs: list  # shapes
    words: dict

    def __str__(self):
        """Write the shapes: x, the window, and what is not usual."""
        x, *weights = self.inputs[:2]
        window = weights[0][-2:] if weights else (self.words["kernel_size"],) * 2
        parts = ["×".join(map(str, shape)) for shape in (x, window)]
        parts += [f"{K} map{'s' * (K > 1)}" for (K,) in self.inputs[2:]]  # one bias a map
        parts += ["depthwise"] * (self.words.get("groups", 1) > 1)
        parts += [f"stride {self.words.get('stride')}"] * (self.words.get("stride", 1) > 1)
        parts += ["winners kept"] * ("return_winners" in self.words)
        return ", ".join(parts)


def cases():
    """List the rows of the table."""
    filters = {"correlate2d": (3, 3), "correlate2d_fft": (31, 31)}
    found = [Case(name, [(512, 512), kernel], {}) for name, kernel in filters.items()]
    for name, layer in itertools.product(("conv2d", "conv2d_backward"), LAYERS):
        x, weight, *numbers = layer
        words = dict(zip(("stride", "padding", "groups"), numbers, strict=True))
        found.append(Case(name, [x, weight, weight[:1]], words))  # with a bias
    pools = [name for name in OURS if "pool" in name]
    for name, x, window in itertools.product(pools, POOLED, WINDOWS):
        words = dict(zip(("kernel_size", "stride", "padding"), window, strict=True))
        found.append(Case(name, [x], words))
        if name == "max_pool2d":  # as torch does, whose way back needs them
            found.append(Case(name, [x], words | {"return_winners": True}))
    return found


def budget(case):
    """Return what our time over torch's may be at most."""
    return KEPT if "return_winners" in case.words else OURS[case.name][1]


def contestants(case):
    """Return the arrays that ours gets, what each contestant runs, and the multiply-adds."""
    rng, backward = np.random.default_rng(0), case.name.endswith("_backward")
    arrays = [rng.standard_normal(shape, np.float32) for shape in case.inputs]
    tensors = [torch.from_numpy(array).requires_grad_(backward) for array in arrays]
    theirs = getattr(functional, case.name.removesuffix("_backward"), torch_correlate)
    words = {name: word for name, word in case.words.items() if name != "return_winners"}
    calls = {"torch": partial(theirs, *tensors, **words)}
    y, weights = calls["torch"](), case.inputs[1:2]
    if backward:  # torch's graph is built here, once: only the way back is timed
        arrays = [rng.standard_normal(y.shape, np.float32), *arrays[:2]]  # the bias plays no part
        dy = torch.from_numpy(arrays[0])
        calls["torch"] = partial(torch.autograd.grad, y, tensors, dy, retain_graph=True)
    elif weights and math.prod(weights[0][:-2] + case.inputs[0][:-2]) == 1:
        calls["scipy"] = partial(scipy_correlate, *arrays)
    if case.name == "max_pool2d_backward":  # torch's graph has kept where its maxima stood, too
        words["winners"] = pooling.max_pool2d(arrays[1], **words, return_winners=True)[1]
    calls["ours"] = partial(getattr(OURS[case.name][0], case.name), *arrays, **words)
    if "return_winners" in case.words:  # the pooled maps alone are compared with torch's
        calls["ours"] = lambda: pooling.max_pool2d(*arrays, **case.words)[0]
    # backward takes two products of the forward pass's size, for x and for the weights
    multiply_adds = sum(y.numel() * math.prod(shape[-3:]) for shape in weights) * (1 + backward)
    return arrays, calls, multiply_adds


def torch_correlate(image, kernel):
    """Filter one image."""
    return functional.conv2d(image[None, None], kernel[None, None])[0, 0]


def scipy_correlate(x, weight, bias=0):
    """Filter one image of one channel by the function of SciPy that is made for such kernels."""
    fft = partial(scipy.signal.correlate, method="fft")
    correlate = fft if weight.size > LARGE else scipy.signal.correlate2d
    maps = correlate(x.reshape(x.shape[-2:]), weight.reshape(weight.shape[-2:]), mode="valid")
    return maps.reshape(x.shape[:-2] + maps.shape) + bias


def results(call):
    """Return what a call returns as a list of arrays."""
    value = call()
    return [np.asarray(part) for part in (value if isinstance(value, tuple) else [value])]


def check(case, calls):
    """Refuse results that are not torch's: the time of a wrong answer says nothing."""
    expected = results(calls["torch"])
    for name in calls.keys() - {"torch"}:
        for got, wanted in zip(results(calls[name]), expected, strict=True):
            about, atol = f"{name}: {case.name}", 1e-5 * np.abs(wanted).max()  # sums that cancel
            np.testing.assert_allclose(got, wanted, 1e-4, atol, err_msg=about, strict=True)


def memory(arrays, call):
    """Return the most bytes that a call holds at a time, its result included, and the budget."""
    call()  # what is made once and for all is not counted
    tracemalloc.start()  # NumPy reports its arrays there
    outputs = results(call)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, 2 * sum(array.nbytes for array in arrays + outputs) + 8 * MB


def measure(calls, rounds, seconds):
    """Return each contestant's seconds a call, one number a round."""
    once = {name: min(timeit.repeat(call, number=1, repeat=3)) for name, call in calls.items()}
    numbers = {name: math.ceil(seconds / once[name]) for name in calls}  # the first call warmed up
    samples = {name: [] for name in calls}
    for i in range(rounds):
        first = i % len(calls)
        for name in [*calls, *calls][first : first + len(calls)]:
            samples[name].append(timeit.timeit(calls[name], number=numbers[name]) / numbers[name])
    return {name: np.array(sample) for name, sample in samples.items()}


def row(case, rounds, seconds):
    """Check and measure one case."""
    arrays, calls, multiply_adds = contestants(case)
    check(case, calls)
    peak, allowed = memory(arrays, calls["ours"])
    square = np.ones((SIDE, SIDE), np.float32)
    took = measure(calls | {"product": lambda: square @ square}, rounds, seconds)
    found = {f"{name}_ms": 1e3 * np.median(took[name]) for name in calls}
    found |= {"ratio": np.median(took["ours"] / took["torch"]), "budget": budget(case)}
    if multiply_adds:
        found["share"] = multiply_adds / SIDE**3 * np.median(took["product"] / took["ours"])
    found["product_gflops"] = 2e-9 * SIDE**3 / np.median(took["product"])
    found |= {"memory_mb": peak / MB, "memory_budget_mb": allowed / MB}
    found = {name: float(f"{number:.4g}") for name, number in found.items()}
    found["frequencies"] = any(math.prod(shape[-2:]) > LARGE for shape in case.inputs[1:2])
    found["within"] = found["ratio"] <= found["budget"] and peak <= allowed
    return {"name": case.name, "shape": str(case), **found}


def medians(rows):
    """Return the medians of our time / torch's for which there is a budget."""
    found = []
    for name in dict.fromkeys(row["name"] for row in rows):
        if budget := OURS[name][2]:
            ratio = float(np.median([row["ratio"] for row in rows if row["name"] == name]))
            found.append({"name": name, "ratio": ratio, "budget": budget})
            found[-1]["within"] = ratio <= budget
    return found


def machine():
    """Describe the machine in general words."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text("utf-8")) if info.exists() else []
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    kernels = {library.get("architecture") for library in threadpoolctl.threadpool_info()}
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in (np, torch, scipy)},
        "blas": f"{blas['name']} {blas['version']}",
        "blas_kernels": ", ".join(sorted(kernels - {None})),
    }


def keep_memory():
    """Tell glibc to keep freed memory, as a long training run would; return whether it does.

    Otherwise the pages of a large result come anew from the system at each call. That can cost more
    than the layer, and which contestant has to pay depends on what ran before.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(-4, 0) and mallopt(-1, 2**31 - 1))  # M_MMAP_MAX, M_TRIM_THRESHOLD


def text(value):
    """Write a cell of the printed table."""
    if isinstance(value, bool):
        return "within" if value else "OVER"
    return f"{value:.3g}" if isinstance(value, float) else value


def table(rows):
    """Write the rows as aligned text, and below them what is over budget."""
    names = ["name", "shape", "ours_ms", "torch_ms", "scipy_ms", "ratio", "budget", "share"]
    names += ["memory_mb", "memory_budget_mb", "within"]
    lines = [names, *([text(row.get(name, "–")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for i, cells in enumerate(lines):
        lines[i] = "  ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True))
    lines += [
        "ratio: our time / torch's; share: multiply-adds a second / those of a large product,"
    ]
    lines += ["but 31×31 goes through frequencies, which need fewer multiply-adds than are counted"]
    for m in medians(rows):
        within = text(m["within"])
        lines.append(f"median {m['name']}: {m['ratio']:.3g} (budget {m['budget']}: {within})")
    over = sum(not row["within"] for row in rows)
    return "\n".join([*lines, f"{over} of {len(rows)} rows over budget"])


def main(arguments=None):
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="3 short rounds: no times to report")
    parser.add_argument("--only", default="", help="regular expression for 'call shape'")
    parser.add_argument("--output", type=Path, help="of all cases: benchmarks/latest.json")
    words = parser.parse_args(arguments)
    chosen = [case for case in cases() if re.search(words.only, f"{case.name} {case}")]
    rounds, seconds = (3, 0.001) if words.quick else (words.rounds, 0.01)
    torch.set_num_threads(1)
    method = {"rounds": rounds, "threads": 1, "dtype": "float32", "memory_kept": keep_memory()}
    rows = [row(case, rounds, seconds) for case in chosen]
    print(table(rows))
    today = datetime.date.today().isoformat()
    result = {"date": today, "method": method, "machine": machine(), "rows": rows}
    output = words.output or (None if words.only or words.quick else LATEST)
    if output:
        result["medians"] = medians(rows)
        output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
