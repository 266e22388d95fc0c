"""Chapter 7, training: one function that trains any torch classifier, on one machine or many.

It is the loop of this chapter, written for long runs: nothing that happens is drawn from a state
that could be lost. The order of an epoch, the changes of a batch and the units that drop out follow
from the seed and the step alone, so that a run that was killed goes on as if it had not been.
"""

import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from math import ceil, inf
from types import SimpleNamespace

import numpy as np
import torch
from torch.nn.functional import cross_entropy, one_hot
from tqdm.std import tqdm

from cnncourse.architecture.counting import _as_module
from cnncourse.check import as_finite, as_one_of, as_positive
from cnncourse.training.checkpoint import (
    _fingerprint,
    _refuse_another_run,
    load_checkpoint,
    save_checkpoint,
)
from cnncourse.training.evaluation import _as_data, _logits, _scored
from cnncourse.training.loop import batches
from cnncourse.training.optimisers import SCHEDULES
from cnncourse.training.processes import _join


@dataclass(repr=False)
class History:
    """What happened in a training.

    Parameters
    ----------
    losses : list of float
        The loss of every step.
    epochs : list of dict
        Of every epoch: epoch (from 1), loss (the mean of its steps), validation_loss and
        validation_accuracy (None without a validation set), lr (that of its last step).
    best_epoch : int or None
        The one with the smallest validation loss.
    stopped_early : bool
        Whether patience ran out.

    Examples
    --------
    >>> epoch = dict(epoch=1, loss=0.6, validation_loss=0.5, validation_accuracy=0.8, lr=0.01)
    >>> History(losses=[0.7, 0.5], epochs=[epoch], best_epoch=1, stopped_early=False)
    <1 epoch, 2 steps: loss 0.6000, validation accuracy 0.8000 in the best epoch, 1>
    """

    losses: list = field(default_factory=list)
    epochs: list = field(default_factory=list)
    best_epoch: int | None = None
    stopped_early: bool = False

    def __repr__(self):
        epochs, steps = len(self.epochs), len(self.losses)
        text = f"{epochs} epoch{'s' * (epochs != 1)}, {steps} step{'s' * (steps != 1)}"
        if self.epochs:
            text += f": loss {self.epochs[-1]['loss']:.4f}"
        if self.best_epoch:
            accuracy = self.epochs[self.best_epoch - 1]["validation_accuracy"]
            text += f", validation accuracy {accuracy:.4f} in the best epoch, {self.best_epoch}"
        return f"<{text}{', stopped early' * self.stopped_early}>"


def fit(
    model,
    train,
    validation=None,
    *,
    epochs,
    batch_size=128,
    lr=0.01,
    optimiser="adamw",
    schedule="one_cycle",
    momentum=0.9,
    weight_decay=0.0,
    smoothing=0.0,
    augment=None,
    mix=None,
    patience=None,
    checkpoint=None,
    checkpoint_every=None,
    device="cpu",
    seed=0,
    progress=True,
):
    """Train a classifier by cross-entropy.

    The same call under ``torchrun --nproc-per-node 2`` trains with two processes: each computes its
    share of every batch, and the sums of their gradients make the step that one process would have
    made. Batch normalisation alone differs, for each process normalises its own share; the running
    statistics are averaged at the end of an epoch.

    Parameters
    ----------
    model : torch.nn.Module
        (N, C, H, W) to (N, K), scores before a softmax. It is changed in place, from the weights
        that it has. Parts of a training model that are in evaluation mode stay so: that is how
        batch normalisation is frozen.
    train, validation : cnncourse.data.Dataset or (images, labels)
        Images (N, C, H, W), real numbers; labels (N,), whole numbers from 0 to K − 1. Arrays or
        tensors; they are moved to the device whole.
    epochs, batch_size : int
        Passes over the training set; images a step. The last batch of an epoch may be smaller.
    lr : float
        The largest learning rate; an optimiser of your own has its own.
    optimiser : {"sgd", "momentum", "adam", "adamw"} or callable
        A callable gets the list of parameters that require gradients, and returns a torch
        optimiser; each of its groups keeps its own largest learning rate.
    schedule : {"constant", "step", "cosine", "one_cycle"} or callable
        From the share of the training that is over, in [0, 1], to a factor of the learning rate.
    momentum, weight_decay : float
        Momentum counts for "momentum" alone. Weight decay is an L2 penalty, decoupled for "adamw".
    smoothing : float
        Of the labels, in [0, 1).
    augment : callable, optional
        ``f(images, generator) -> images``, for each batch, on tensors.
    mix : callable, optional
        ``f(images, targets, generator) -> images, targets``, after it; targets (N, K) are shares.
    patience : int, optional
        Stop after so many epochs without a smaller validation loss. At the end, the weights of the
        best epoch are put back.
    checkpoint : str or pathlib.Path, optional
        A file for the state of the run, written at the end of every epoch. If it exists, the run
        goes on from there, to the same bits if it is computed by the same number of processes and
        threads; if it is finished, its result is returned. Functions are known by their names.
    checkpoint_every : int, optional
        Write it also after so many steps.
    device : str or torch.device
        "cpu" or "cuda"; the model stays there.
    seed : int
        Of the order, the changes and the dropout. The caller's random state stays as it is.
    progress : bool
        Show a bar on standard error.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        For words or data that do not fit, and for a checkpoint of another run: the message names
        what differs.
    FloatingPointError
        If a loss or a gradient is infinite or NaN. The model keeps what it was before that step.

    See Also
    --------
    range_test : finds a learning rate
    torch.nn.parallel.DistributedDataParallel

    References
    ----------
    Goyal, P., et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour,
    arXiv:1706.02677, 2017 (batches shared by processes).
    Prechelt, L., Early Stopping — But When?, Neural Networks: Tricks of the Trade, 1998.

    Examples
    --------
    Is the pixel dark or bright? Two steps an epoch, for images of 1×1:

    >>> images, labels = np.array([0.0, 1.0, 0.0, 1.0]).reshape(4, 1, 1, 1), np.array([0, 1, 0, 1])
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1, 2))
    >>> history = fit(model, (images, labels), epochs=50, batch_size=2, lr=0.5, progress=False)
    >>> len(history.losses), history.epochs[-1]["loss"] < 0.1
    (100, True)
    """
    words = SimpleNamespace(**locals())  # every argument by its name; nothing else is here yet
    _refuse_words(words)
    team = _join(words.device)
    with _training(model), _forked(words.device):
        return _Run(words, team).train()


class _Run:
    """One call of `fit`; the methods stand in the order of the story."""

    def __init__(self, words, team):
        self.words, self.team = words, team
        self.model = _as_module(words.model).to(words.device)
        self.images, self.labels = _as_data(self.model, words.train, "train")
        self.classes = _logits(self.model, self.images[:1], 1).shape[1]
        self.validation = words.validation
        if words.validation is not None:
            self.validation = _as_data(self.model, words.validation, "validation")
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = _as_optimiser(words, self.parameters)
        self.largest = [group["lr"] for group in self.optimiser.param_groups]
        self.schedule = SCHEDULES.get(words.schedule, words.schedule)
        self.epoch_steps = ceil(len(self.images) / words.batch_size)
        self.steps = words.epochs * self.epoch_steps
        self.history, self.best = History(), None  # the best weights, with patience
        self.fingerprint = {}  # to compare with the run of a checkpoint, or of another process
        if words.checkpoint is not None or team.world > 1:
            data = {"train": (self.images, self.labels), "validation": self.validation or ()}
            self.fingerprint = _fingerprint(words, self.model, **data)

    def train(self):
        """Go on from where we are to the end."""
        self.resume()
        every, done = self.words.checkpoint_every, len(self.history.losses)
        hidden = not self.words.progress or self.team.rank > 0
        with tqdm(total=self.steps, initial=done, unit=" steps", disable=hidden) as bar:
            while len(self.history.epochs) < self.words.epochs and not self.history.stopped_early:
                left = self.epoch_steps * (len(self.history.epochs) + 1) - len(self.history.losses)
                for places in islice(self.places(), left):
                    self.step(places)
                    self.show(bar)
                    if every and len(self.history.losses) % every == 0:
                        self.save()
                self.end_epoch()
        if self.best is not None:
            self.model.load_state_dict(self.best)
        return self.history

    def resume(self):
        """Take up the checkpoint's state, or begin; all processes take the first one's."""
        path = self.words.checkpoint
        found = load_checkpoint(path) if path is not None and self.team.rank == 0 else None
        state = self.team.agree(self.state() if found is None else found)
        _refuse_another_run(state, self.fingerprint, path or "process 0")
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history, self.best = History(**state["history"]), state["best"]
        if not self.history.losses:
            self.save()  # a place that cannot be written is found now, not after an hour

    def state(self):
        """Return all that the rest of the run depends on."""
        return {
            "words": self.fingerprint,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": asdict(self.history),  # its length tells the step
            "best": self.best,
        }

    def save(self):
        """Write the checkpoint, if there is to be one."""
        self.average_statistics()
        if self.words.checkpoint is not None and self.team.rank == 0:
            save_checkpoint(self.words.checkpoint, self.state())

    def average_statistics(self):
        """Give all processes the means of what batch normalisation saw in each."""
        self.team.average(*(b for b in self.model.buffers() if b.is_floating_point()))

    def places(self):
        """Yield the batches from this step on, epoch after epoch, as arrays of places."""
        epoch, done = divmod(len(self.history.losses), self.epoch_steps)
        for number in count(epoch):
            rng = np.random.default_rng([self.words.seed, number])
            yield from islice(batches(len(self.images), self.words.batch_size, rng), done, None)
            done = 0

    def step(self, places):
        """Forward, loss, backward, step."""
        number = len(self.history.losses)
        factor = self.schedule(number / max(1, self.steps - 1))
        for group, largest in zip(self.optimiser.param_groups, self.largest, strict=True):
            group["lr"] = largest * factor
        torch.manual_seed(_seed_of(self.words.seed, number, 1 + self.team.rank))  # for dropout
        images, targets = self.batch(places, number)
        before = [statistic.clone() for statistic in self.model.buffers()]
        self.optimiser.zero_grad()
        loss = self.backward(images, targets, len(places))
        self.refuse_infinite(loss, before)
        self.optimiser.step()
        self.history.losses.append(loss.item())

    def batch(self, places, number):
        """Return this process's share of a batch, changed at random: images and targets."""
        words, index = self.words, torch.from_numpy(places).to(self.images.device)
        images, targets = self.images.index_select(0, index), self.labels.index_select(0, index)
        generator = torch.Generator(images.device).manual_seed(_seed_of(words.seed, number, 0))
        if words.augment is not None:
            images = words.augment(images, generator)
        if words.mix is not None:
            shares = one_hot(targets, self.classes).to(images.dtype)
            images, targets = words.mix(images, shares, generator)
        return self.team.share(images), self.team.share(targets)

    def backward(self, images, targets, size):
        """Compute the gradients of the mean loss of a batch of this size; return the loss."""
        loss = self.images.new_zeros(())
        if len(images):  # else the batch is smaller than the number of processes
            logits, smoothing = self.model(images), self.words.smoothing
            loss = cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing) / size
            loss.backward()
        loss = loss.detach()
        if self.team.world > 1:
            for p in self.parameters:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            self.team.add_up(loss, *(p.grad for p in self.parameters))
        return loss

    def refuse_infinite(self, loss, before):
        """Stop before a step that would ruin the weights, with the statistics before it."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if torch.stack([tensor.isfinite().all() for tensor in (loss, *gradients)]).all():
            return
        for statistic, value in zip(self.model.buffers(), before, strict=True):
            statistic.copy_(value)
        epoch, step = divmod(len(self.history.losses), self.epoch_steps)
        lr = self.optimiser.param_groups[0]["lr"]
        raise FloatingPointError(
            f"loss {loss.item():g}, or a gradient that is not finite, in epoch {epoch + 1}, step "
            f"{step + 1}, lr {lr:g}. Try a smaller lr (range_test finds one), images in [0, 1], or "
            "batch normalisation. The model keeps what it was before this step"
        )

    def show(self, bar):
        """Move the bar, with the last loss and the last epoch's accuracy beside it."""
        last = self.history.epochs[-1]["validation_accuracy"] if self.history.epochs else None
        accuracy = {} if last is None else {"validation": f"{last:.4f}"}
        bar.set_postfix(loss=f"{self.history.losses[-1]:.4f}", **accuracy, refresh=False)
        bar.update()

    def end_epoch(self):
        """Validate, keep what is best, decide whether to go on, and save."""
        self.average_statistics()
        history, patience = self.history, self.words.patience
        before = [epoch["validation_loss"] for epoch in history.epochs]
        row = {
            "epoch": len(before) + 1,
            "loss": float(np.mean(history.losses[-self.epoch_steps :])),
            **self.validate(),
            "lr": self.optimiser.param_groups[0]["lr"],
        }
        history.epochs.append(row)
        best = before[history.best_epoch - 1] if history.best_epoch else inf
        if self.validation and row["validation_loss"] < best:
            history.best_epoch = row["epoch"]
            if patience:
                self.best = {n: value.clone() for n, value in self.model.state_dict().items()}
        waited, last = row["epoch"] - (history.best_epoch or 0), row["epoch"] == self.words.epochs
        history.stopped_early = not last and waited >= (patience or inf)
        self.save()

    def validate(self):
        """Return the loss and accuracy of the validation set; each process computes its share."""
        if self.validation is None:
            return {"validation_loss": None, "validation_accuracy": None}
        images, labels = map(self.team.share, self.validation)
        sums = _scored(self.model, images, labels, self.words.batch_size)
        self.team.add_up(sums)
        loss, right = (sums / len(self.validation[1])).tolist()
        return {"validation_loss": loss, "validation_accuracy": right}


_OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def _refuse_words(words):
    """Refuse settings that make no sense, before anything is done."""
    for name in ("epochs", "batch_size", "patience", "checkpoint_every"):
        if getattr(words, name) is not None or name in ("epochs", "batch_size"):
            as_positive(getattr(words, name), name, integer=True)
    as_positive(words.lr, "lr")
    for name, known in (("optimiser", _OPTIMISERS), ("schedule", SCHEDULES)):
        if not callable(getattr(words, name)):
            as_one_of(getattr(words, name), known, name)
    for name, limit in (("momentum", 1), ("smoothing", 1), ("weight_decay", inf)):
        if not 0 <= as_finite(getattr(words, name), name) < limit:
            raise ValueError(f"{name}: expected 0 to {limit}, got {getattr(words, name)}")
    if not isinstance(words.seed, (int, np.integer)) or words.seed < 0:
        raise ValueError(f"seed: expected a whole number ≥ 0, got {words.seed!r}")
    if words.patience is not None and words.validation is None:
        raise ValueError("patience: expected a validation set to judge by, got none")
    if words.checkpoint_every is not None and words.checkpoint is None:
        raise ValueError("checkpoint_every: expected checkpoint, the file to write, got none")
    words.device = _as_device(words.device)


def _as_device(device):
    """Return a torch device that is there; of several GPUs, this process's own."""
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device: expected 'cpu' or 'cuda', got {device!r}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: expected 'cpu', for torch sees no GPU here, got '{device}'")
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return device


@contextmanager
def _training(model):
    """Switch a model to training, unless it is; each module back afterwards."""
    modes = {module: module.training for module in _as_module(model).modules()}
    if not model.training:
        model.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _forked(device):
    """Keep the caller's random state apart from ours."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _as_optimiser(words, parameters):
    """Return a torch optimiser of the parameters."""
    if not parameters:
        raise ValueError("model: expected parameters that require gradients, got none")
    if callable(words.optimiser):
        optimiser = words.optimiser(parameters)
        if not isinstance(optimiser, torch.optim.Optimizer):
            raise ValueError(f"optimiser: expected it to return a torch optimiser, got {optimiser}")
        return optimiser
    more = {"momentum": words.momentum} if words.optimiser == "momentum" else {}
    build = _OPTIMISERS[words.optimiser]
    return build(parameters, lr=words.lr, weight_decay=words.weight_decay, **more)


def _seed_of(*numbers):
    """Return one seed for several numbers, different for all of them."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
