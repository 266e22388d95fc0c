"""Chapter 7: optimisers and schedules, step by step against torch.optim."""

import numpy as np
import pytest
from conftest import close
from hypothesis import given
from hypothesis import strategies as st

from cnncourse.architecture.layers import Linear
from cnncourse.training.optimisers import (
    SCHEDULES,
    SGD,
    Adam,
    constant,
    cosine,
    one_cycle,
    step_decay,
)

torch = pytest.importorskip("torch")
schedulers = torch.optim.lr_scheduler

seeds = st.integers(0, 2**32 - 1)
decays = st.sampled_from([0.0, 0.01, 0.5])
shapes = {"2.weight": (4, 3), "2.bias": (4,), "5.weight": (2, 1, 3, 3), "one": ()}


def arrays(rng, dtype=float):
    return {name: np.asarray(rng.normal(size=shape), dtype) for name, shape in shapes.items()}


def agree(ours, theirs, options, seed, steps=12, dtype=float, rtol=1e-10):
    """Take steps with random gradients, ours and torch's; the learning rate changes once."""
    rng = np.random.default_rng(seed)
    parameters = arrays(rng, dtype)
    twins = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in parameters.items()}
    ours, theirs = ours(parameters, **options), theirs(twins.values(), **options)
    for step in range(steps):
        if step == steps // 2:
            ours.lr = theirs.param_groups[0]["lr"] = options["lr"] / 3
        gradients = arrays(rng, dtype)
        for name, twin in twins.items():
            twin.grad = torch.tensor(gradients[name])
        ours.step(gradients)
        theirs.step()
        for name, twin in twins.items():
            close(parameters[name], twin, rtol, atol=rtol)


def path(optimiser, steps=200):
    """Return the way down a valley ten times as steep in one direction: (w² + 10 v²) / 2."""
    w = optimiser.parameters["w"]
    points = [w.copy()]
    for _ in range(steps):
        optimiser.step({"w": w * [1, 10]})
        points.append(w.copy())
    return np.array(points)


# --- oracle ---


@given(st.sampled_from([(0.0, False), (0.5, False), (0.9, False), (0.9, True)]), decays, seeds)
def test_sgd_equals_torch_step_by_step(momentum, decay, seed):
    options = {"lr": 0.1, "momentum": momentum[0], "nesterov": momentum[1], "weight_decay": decay}
    agree(SGD, torch.optim.SGD, options, seed)


@given(
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.999)),
    st.sampled_from([1e-8, 1e-3, 1.0]),
    decays,
    seeds,
)
def test_adam_equals_torchs_adamw_step_by_step(betas, eps, decay, seed):
    options = {"lr": 0.1, "betas": betas, "eps": eps, "weight_decay": decay}
    agree(Adam, torch.optim.AdamW, options, seed)


def test_adam_without_decay_equals_torchs_adam_for_500_steps():
    agree(Adam, torch.optim.Adam, {"lr": 0.01}, seed=1, steps=500)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (Adam, torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    ],
)
def test_float32_parameters_equal_torch_and_stay_float32(ours, theirs, options):
    agree(ours, theirs, options, seed=0, dtype=np.float32, rtol=1e-4)


@given(st.integers(2, 200), st.floats(0.05, 0.95))
def test_one_cycle_equals_torch_at_every_step(steps, warmup):
    model = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    rises = (warmup * (steps - 1) + 1) / steps  # torch's peak is pct_start · steps − 1 steps in
    scheduler = schedulers.OneCycleLR(model, 0.3, total_steps=steps, pct_start=rises)
    for step in range(steps):
        ours = 0.3 * one_cycle(step / (steps - 1), warmup)
        assert ours == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        model.step()
        if step < steps - 1:
            scheduler.step()


@given(st.integers(2, 200))
def test_cosine_equals_torch_at_every_step(steps):
    model = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = schedulers.CosineAnnealingLR(model, T_max=steps - 1)
    for step in range(steps):
        expected = scheduler.get_last_lr()[0]  # torch's is recursive, so it rounds a little more
        assert 0.3 * cosine(step / (steps - 1)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
        model.step()
        scheduler.step()


def test_step_decay_equals_torchs_milestones():
    model = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    scheduler = schedulers.MultiStepLR(model, milestones=[5, 8], gamma=0.3)
    for step in range(11):
        ours = step_decay(step / 10, factor=0.3, at=(0.5, 0.8))
        assert ours == pytest.approx(scheduler.get_last_lr()[0])
        model.step()
        scheduler.step()


# --- properties ---


@given(st.sampled_from([*SCHEDULES]), st.floats(0, 1))
def test_every_schedules_factor_lies_between_0_and_1(schedule, share):
    assert 0 <= SCHEDULES[schedule](share) <= 1


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_reaches_1(schedule):
    assert max(SCHEDULES[schedule](share) for share in np.linspace(0, 1, 11)) == 1


def test_constant_stays():
    assert {constant(share) for share in (0, 0.3, 1)} == {1.0}


def test_one_cycle_rises_then_falls_and_ends_lowest():
    factors = [one_cycle(share) for share in np.linspace(0, 1, 101)]
    assert np.argmax(factors) == 30
    assert (np.diff(factors[:31]) > 0).all()
    assert (np.diff(factors[30:]) < 0).all()
    close([factors[0], factors[-1]], [1 / 25, 1e-4 / 25])


@pytest.mark.parametrize(("warmup", "first", "last"), [(0, 1, 0), (1, 0.5, 1)])
def test_one_cycle_may_only_fall_or_only_rise(warmup, first, last):
    assert one_cycle(0, warmup, start=0.5, end=0) == first
    assert one_cycle(1, warmup, start=0.5, end=0) == last


def test_momentum_goes_further_down_a_narrow_valley():
    plain, heavy = (path(SGD({"w": np.ones(2)}, 0.05, momentum), 50) for momentum in (0, 0.7))
    assert np.linalg.norm(heavy[-1]) < np.linalg.norm(plain[-1]) / 10


def test_plain_sgd_diverges_beyond_two_over_the_curvature():
    for lr, converges in ((0.19, True), (0.21, False)):
        way = path(SGD({"w": np.ones(2)}, lr))
        assert (abs(way[-1, 1]) < 1) == converges


def test_adams_first_step_is_lr_whatever_the_gradients_size():
    w = np.zeros(4)
    Adam({"w": w}, lr=0.25, eps=1e-300).step({"w": [1e-20, -1, 30, -1e20]})
    close(w, [-0.25, 0.25, -0.25, 0.25])


def test_weight_decay_shrinks_weights_that_get_no_gradient():
    for optimiser in (SGD, Adam):
        w = np.array([1.0, -2.0])
        optimiser({"w": w}, lr=0.5, weight_decay=0.2).step({"w": [0, 0]})
        close(w, [0.9, -1.8])


def test_a_network_is_changed_in_place(rng):
    layer = Linear(3, 2, rng=0)
    weight, before = layer.parameters["weight"], layer.state()["weight"]
    layer(rng.normal(size=(4, 3)), train=True)
    layer.backward(rng.normal(size=(4, 2)))
    SGD(layer.parameters, lr=1).step(layer.gradients)
    assert layer.parameters["weight"] is weight
    close(weight, before - layer.gradients["weight"])


# --- stress ---


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_gradients_stay_as_they_are(optimiser, rng):
    settings = {"nesterov": True, "momentum": 0.9} if optimiser is SGD else {}
    optimiser = optimiser(arrays(rng), lr=0.1, weight_decay=0.1, **settings)
    gradients = arrays(rng)
    before = {name: dw.copy() for name, dw in gradients.items()}
    for dw in gradients.values():
        dw.flags.writeable = False
    for _ in range(3):
        optimiser.step(gradients)
    for name, dw in gradients.items():
        close(dw, before[name])


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_float32_gradients_move_float64_weights(optimiser, rng):
    exact, gradients = arrays(rng), arrays(rng)
    rounded = {name: w.copy() for name, w in exact.items()}
    optimiser(exact, lr=0.1).step(gradients)
    optimiser(rounded, lr=0.1).step({name: dw.astype("f") for name, dw in gradients.items()})
    for name, w in rounded.items():
        close(w, exact[name], rtol=1e-6, atol=1e-6)


def test_zero_gradients_leave_adam_finite():
    w = np.ones(3)
    optimiser = Adam({"w": w})
    for _ in range(5):
        optimiser.step({"w": np.zeros(3, "f")})
    close(w, np.ones(3))


# --- refusals ---


@pytest.mark.parametrize("optimiser", [SGD, Adam])
@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ({"w": [1, 1]}, r"the names w, b; missing \['b'\], unknown \[\]"),
        ({"w": [1, 1], "b": [1], "c": [1]}, r"missing \[\], unknown \['c'\]"),
        ({"w": [1, 1], "b": [[1]]}, r"b: expected a gradient of shape \(1,\), got \(1, 1\)"),
        ({"w": [1, 1], "b": ["?"]}, "b: expected real numbers"),
    ],
)
def test_other_gradients_are_refused_and_change_nothing(optimiser, gradients, message):
    parameters = {"w": np.array([1.0, 2.0]), "b": np.array([3.0])}
    with pytest.raises(ValueError, match=message):
        optimiser(parameters, lr=0.1, weight_decay=0.1).step(gradients)
    close(np.concatenate([*parameters.values()]), [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: SGD(w, 0), "lr: expected a number above 0, got 0"),
        (lambda w: SGD(w, 1, momentum=1), r"momentum: expected a number in \[0, 1\), got 1"),
        (lambda w: SGD(w, 1, nesterov=True), "nesterov: expected a momentum above 0"),
        (lambda w: SGD(w, 1, weight_decay=-1), "weight_decay: expected a number ≥ 0, got -1"),
        (lambda w: Adam(w, np.nan), "lr: expected a number above 0, got nan"),
        (lambda w: Adam(w, betas=(0.9, 1)), r"betas: expected a number in \[0, 1\), got 1"),
        (lambda w: Adam(w, betas=(0.9,)), r"betas: expected two shares, got \(0.9,\)"),
        (lambda w: Adam(w, eps=0), "eps: expected a number above 0, got 0"),
        (lambda w: SGD({"w": np.arange(3)}, 1), "w: expected a writeable array of floats"),
        (lambda w: SGD(Linear(1, 1, rng=0), 1), "parameters: expected network.parameters"),
    ],
)
def test_impossible_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call({"w": np.ones(2)})


@pytest.mark.parametrize("schedule", SCHEDULES.values())
@pytest.mark.parametrize("share", [-0.01, 1.01, np.nan, None])
def test_a_share_outside_the_training_is_refused(schedule, share):
    with pytest.raises(ValueError, match=r"share: expected a .*number"):
        schedule(share)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_decay(0, factor=2), r"factor: expected a number in \[0, 1\], got 2"),
        (lambda: step_decay(0, at=(3,)), r"at: expected a number in \[0, 1\], got 3"),
        (lambda: one_cycle(0, warmup=-1), r"warmup: expected a number in \[0, 1\], got -1"),
        (lambda: one_cycle(0, start=2), r"start: expected a number in \[0, 1\], got 2"),
        (lambda: one_cycle(0, end=2), r"end: expected a number in \[0, 1\], got 2"),
    ],
)
def test_impossible_schedules_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
