"""Compare three ways to train a small network on the 10,000 clothes, on one thread.

``python benchmarks/training.py`` takes some minutes and writes ``benchmarks/training.json``, which
a page of the book shows. The contest is for 0.87 of the 2,000 test images: seconds of processor
time from the first image to the last step of the epoch that reaches it. The ways are a loop as
PyTorch's examples have it, this package's `fit`, and its NumPy layers alone. Testing is not
counted. Each way runs once with each seed, in turn, so that a machine that slows down slows all.
`fit` and the NumPy loop have schedules, which must know their end: they are given their epochs
beforehand, and have to be there when these are over.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import copy
import datetime
import json
import time
from functools import partial
from pathlib import Path

import convolution  # the benchmark beside this one: how it measures, and the machine
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cnncourse import data
from cnncourse.architecture import layers
from cnncourse.architecture.networks import compact_net, small_net
from cnncourse.convolution import _dweight, _spread, conv2d
from cnncourse.training.evaluation import evaluate
from cnncourse.training.fit import fit
from cnncourse.training.loop import predict, train
from cnncourse.training.optimisers import SGD, Adam
from cnncourse.transfer import efficientnet_lite0, extract

GOAL = 0.87  # of the test images
SEEDS = (0, 1, 2)
LONGEST = 40  # epochs
MEAN, DEVIATION = 0.2860, 0.3530  # of Fashion-MNIST's pixels
LATEST = Path(__file__).with_name("training.json")
BUDGETS = {"fit": 1 / 8, "numpy": 1, "step": 1.1}  # of the examples' time; of torch's step


class Clothes(Dataset):
    """Bytes that become a standardised tensor when they are asked for, one by one."""

    def __init__(self, clothes):
        self.images = np.round(255 * clothes.images[:, 0]).astype(np.uint8)
        self.labels = clothes.labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i])[None].to(torch.float32).div(255)
        return (image - MEAN) / DEVIATION, int(self.labels[i])


class Stopwatch:
    """Processor and wall seconds of what runs inside ``with``, added up."""

    def __init__(self):
        self.cpu = self.wall = 0.0

    def __enter__(self):
        self.begun = time.process_time(), time.perf_counter()

    def __exit__(self, *error):
        self.cpu += time.process_time() - self.begun[0]
        self.wall += time.perf_counter() - self.begun[1]


def examples_net():
    """Build a network of the size that PyTorch's MNIST example has: 1.2 million parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, 10),
    )


def examples_loop(clothes, test, seed, watch, longest=LONGEST):
    """Train as PyTorch's examples do: a loader of batches of 64, Adadelta, a rate that decays."""
    torch.manual_seed(seed)
    model, loader = examples_net(), DataLoader(Clothes(clothes), batch_size=64, shuffle=True)
    optimiser = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    found = []
    while (not found or found[-1] < GOAL) and len(found) < longest:
        model.train()
        with watch:
            for images, labels in loader:
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(images), labels).backward()
                optimiser.step()
            schedule.step()
        found.append(evaluate(model, ((test.images - MEAN) / DEVIATION, test.labels))["accuracy"])
    return found


def fit_recipe(clothes, test, seed, watch):
    """Train by this package's `fit`: all in memory, a small net, AdamW, one cycle, smoothing."""
    torch.manual_seed(seed)
    words = {"epochs": 1, "batch_size": 64, "lr": 0.01, "smoothing": 0.1}
    with watch:
        model = compact_net().to(memory_format=torch.channels_last)
        fit(model, clothes, **words, seed=seed, progress=False)
    return [evaluate(model, test)["accuracy"]]


def numpy_net(seed):
    """Build two convolutions and one dense layer of NumPy."""
    rng = np.random.default_rng(seed)
    return layers.Sequential(
        *(layers.Conv2d(1, 8, 5, padding=2, rng=rng), layers.MaxPool2d(2), layers.ReLU()),
        *(layers.Conv2d(8, 16, 3, padding=1, rng=rng), layers.MaxPool2d(2), layers.ReLU()),
        *(layers.Flatten(), layers.Linear(784, 10, rng=rng)),
    )


def numpy_recipe(clothes, test, seed, watch):
    """Train the NumPy layers by the NumPy loop."""
    with watch:
        network, images = numpy_net(seed), (clothes.images - MEAN) / DEVIATION
        optimiser = Adam(network.parameters, lr=0.01)
        words = {"epochs": 4, "batch_size": 32, "schedule": "one_cycle", "smoothing": 0.1}
        train(network, images.astype(np.float32), clothes.labels, optimiser, **words, rng=seed)
    answers = predict(network, ((test.images - MEAN) / DEVIATION).astype(np.float32))
    return [float((answers == test.labels).mean())]


WAYS = {"examples": examples_loop, "fit": fit_recipe, "numpy": numpy_recipe}


def contest(clothes, test, seeds, ways):
    """Let every way run with every seed; return what each took and reached."""
    runs = {name: [] for name in ways}
    for seed in seeds:
        for name, way in ways.items():
            watch = Stopwatch()
            found = way(clothes, test, seed, watch)
            runs[name].append({"cpu_s": watch.cpu, "wall_s": watch.wall, "accuracy": found[-1]})
            print(f"{name} {seed}: {watch.cpu:.1f} s, {found[-1]:.4f}", flush=True)
    examples = np.array([run["cpu_s"] for run in runs["examples"]])
    rows = []
    for name, mine in runs.items():
        cpu = np.array([run["cpu_s"] for run in mine])
        row = {"name": name, "reached": all(run["accuracy"] >= GOAL for run in mine)}
        row |= {"cpu_s": float(np.median(cpu)), "ratio": float(np.median(cpu / examples))}
        row |= {"budget": BUDGETS.get(name), "runs": mine}
        row["within"] = row["reached"] and (name == "examples" or row["ratio"] <= row["budget"])
        rows.append(row)
    return rows


class BatchFirst(layers.Conv2d):
    """Convolve by chapter 4's functions: the batch comes first, and whole windows are copied."""

    def _forward(self, x, train):
        weight, bias = self.parameters["weight"], self.parameters["bias"]
        return conv2d(x, weight, bias, self.stride, self.padding), x

    def _backward(self, dy, x, need_dx):
        weight, words = self.parameters["weight"].astype(x.dtype), {"dilation": (1, 1), "groups": 1}
        words |= {"stride": self.stride, "padding": self.padding}
        self.gradients["weight"] = _dweight(dy, x, weight, **words)
        self.gradients["bias"] = dy.sum((0, 2, 3))
        return _spread(dy, weight, x.shape, **words) if need_dx else None


def lenets(batch_size, momentum=0.9):
    """Return a training step of LeNet-5 by NumPy and torch, two ways each, from equal weights."""
    torch.manual_seed(0)
    pieces = (nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5))
    dense = (nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10))
    pooled = [layer for piece in pieces for layer in (piece, nn.MaxPool2d(2), nn.ReLU())]
    joined = [layer for piece in dense[:2] for layer in (piece, nn.ReLU())]
    theirs = nn.Sequential(*pooled, nn.Flatten(), *joined, dense[2])
    networks = {"ours": _same_in_numpy(theirs), "first": _same_in_numpy(theirs, BatchFirst)}
    rng = np.random.default_rng(0)
    images = rng.random((batch_size, 1, 28, 28), np.float32)
    labels = rng.integers(10, size=batch_size)
    by = {name: SGD(network.parameters, 0.01, momentum) for name, network in networks.items()}
    orders = {"torch": torch.contiguous_format, "channels_last": torch.channels_last}
    x, t = map(torch.from_numpy, (images, labels))

    def numpy_step(name):
        network = networks[name]
        loss, dlogits = layers.softmax_cross_entropy(network(images, train=True), labels)
        network.backward(dlogits, need_dx=False)
        by[name].step(network.gradients)
        return loss

    def torch_steps(order):
        model, inputs = copy.deepcopy(theirs).to(memory_format=order), x.to(memory_format=order)
        theirs_by = torch.optim.SGD(model.parameters(), lr=0.01, momentum=momentum)

        def step():
            theirs_by.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), t)
            loss.backward()
            theirs_by.step()
            return loss.item()

        return step

    numpy_steps = {name: partial(numpy_step, name) for name in networks}
    return numpy_steps | {name: torch_steps(order) for name, order in orders.items()}


def _same_in_numpy(model, convolve=layers.Conv2d):
    """Build a torch network of these few layers anew, in NumPy, with the same weights."""
    made = {
        nn.Conv2d: lambda m: convolve(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, rng=0
        ),
        nn.Linear: lambda m: layers.Linear(m.in_features, m.out_features, rng=0),
        nn.MaxPool2d: lambda m: layers.MaxPool2d(m.kernel_size),
        nn.ReLU: lambda m: layers.ReLU(),
        nn.Flatten: lambda m: layers.Flatten(),
    }
    network = layers.Sequential(*(made[type(module)](module) for module in model))
    network.load_state(model.state_dict())
    return network


def steps(rounds, seconds):
    """Compare a LeNet step by NumPy with torch's, after both have learned the same for a while."""
    rows = []
    for batch_size in (32, 64, 128, 256):
        calls = lenets(batch_size)
        losses = {name: [call() for _ in range(5)] for name, call in calls.items()}
        for name in calls:
            np.testing.assert_allclose(losses[name], losses["torch"], rtol=1e-4)
        took = convolution.measure(calls, rounds, seconds)
        ratio = float(np.median(took["ours"] / took["torch"]))
        row = {"batch_size": batch_size, "ratio": ratio, "budget": BUDGETS["step"]}
        row |= {f"{name}_ms": 1e3 * float(np.median(took[name])) for name in calls}
        rows.append(row | {"within": ratio <= BUDGETS["step"]})
    return rows


def inference(rounds, seconds):
    """Measure what one image takes in evaluation, batches of 32, for networks of the course."""
    models = {
        "EfficientNet-Lite0, 224×224": (efficientnet_lite0(pretrained=True), (32, 3, 224, 224)),
        "EfficientNet-Lite0, 64×64": (efficientnet_lite0(pretrained=True), (32, 3, 64, 64)),
        "small_net, 28×28": (small_net(), (32, 1, 28, 28)),
        "compact_net, 28×28": (compact_net(), (32, 1, 28, 28)),
    }
    calls = {
        name: partial(extract, model, torch.rand(shape)) for name, (model, shape) in models.items()
    }
    network, images = numpy_net(0), np.random.default_rng(0).random((32, 1, 28, 28), np.float32)
    calls["two convolutions in NumPy, 28×28"] = partial(network, images)
    took = convolution.measure(calls, rounds, seconds)
    return [{"name": name, "ms": 1e3 * float(np.median(took[name])) / 32} for name in calls]


def main(arguments=None):
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--quick", action="store_true", help="few images: no times to report")
    parser.add_argument("--output", type=Path, help="by default benchmarks/training.json")
    words = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rounds, seconds = (3, 0.001) if words.quick else (words.rounds, 0.05)
    n = 500 if words.quick else None
    seeds = SEEDS[:1] if words.quick else SEEDS
    kept = convolution.keep_memory()
    result = {"date": datetime.date.today().isoformat(), "machine": convolution.machine()}
    result["method"] = {"rounds": rounds, "threads": 1, "goal": GOAL, "memory_kept": kept}
    result["step"], result["inference"] = steps(rounds, seconds), inference(rounds, seconds)
    for row in [*result["step"], *result["inference"]]:
        print(row)
    ways = WAYS | ({"examples": partial(examples_loop, longest=2)} if words.quick else {})
    result["contest"] = contest(data.fashion("train", n), data.fashion("test", n), seeds, ways)
    for row in result["contest"]:
        print({name: value for name, value in row.items() if name != "runs"})
    output = words.output or (None if words.quick else LATEST)
    if output:
        output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
