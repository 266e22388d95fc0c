"""Chapter 7: the range test trains as fit does, at rates that rise, and leaves no trace."""

from functools import partial

import numpy as np
import pytest
import torch
from test_fit import network, quiet, same, task

from cnncourse.training.range_test import _explodes, range_test


def test_the_rates_rise_geometrically_and_the_model_stays_as_it_was():
    model, start = network(normalise=True), network(normalise=True)
    rates, losses = range_test(model, task(), smallest=1e-4, largest=1e-2, steps=7, batch_size=20)
    np.testing.assert_allclose(rates, np.geomspace(1e-4, 1e-2, 7), rtol=1e-10)
    assert len(losses) == 7
    assert same(model, start)


def test_the_range_tests_losses_are_those_of_training_so():
    data = task(dtype=np.float64)
    ours, theirs = (network(dtype=torch.float64) for _ in "ab")
    words = {"optimiser": "sgd", "batch_size": 25}
    _, losses = range_test(ours, data, smallest=0.01, largest=0.1, steps=6, **words)
    rising = [lambda share: 0.1 ** (1 - share)]
    history = quiet(theirs, data, epochs=3, lr=0.1, schedule=rising[0], **words)
    np.testing.assert_allclose(losses, history.losses, rtol=1e-10)


def test_the_range_test_ends_when_the_loss_explodes():
    rates, losses = range_test(network(), task(200), largest=1e4, optimiser="sgd", batch_size=50)
    assert len(rates) == len(losses) < 100
    assert np.isfinite(losses).all()
    assert rates[-1] > 0.1


def test_the_range_test_ends_before_a_loss_that_is_no_number():
    words = {"smallest": 1, "largest": 1e38, "steps": 9, "optimiser": "sgd"}
    _, losses = range_test(network(), task(), **words)
    assert np.isfinite(losses).all()


def test_exploding_is_four_times_the_smallest_running_mean():
    assert not _explodes([1.0])
    assert not _explodes([1.0] * 50 + [30.0])  # 0.9 · 1 + 0.1 · 30 = 3.9
    assert _explodes([1.0] * 200 + [32.0])


def test_an_optimiser_of_your_own_gets_the_same_rates():
    words = {"largest": 1, "steps": 6, "batch_size": 20}
    expected = range_test(network(), task(), optimiser="sgd", **words)
    ours = range_test(network(), task(), optimiser=partial(torch.optim.SGD, lr=1e-3), **words)
    np.testing.assert_array_equal(ours, expected)


def test_groups_keep_the_ratio_of_their_rates():
    seen = []

    def build(parameters):
        first, *rest = parameters
        groups = [{"params": [first], "lr": 0.01}, {"params": rest, "lr": 0.02}]
        optimiser = torch.optim.SGD(groups)
        optimiser.register_step_pre_hook(
            lambda o, *_: seen.append([g["lr"] for g in o.param_groups])
        )
        return optimiser

    rates, _ = range_test(network(), task(), optimiser=build, largest=1, steps=4)
    np.testing.assert_allclose(seen, np.stack([rates / 2, rates], 1), rtol=1e-10)


def test_the_callers_random_state_is_untouched():
    before = torch.get_rng_state()
    range_test(network(dropout=0.5), task(), steps=3)
    assert torch.get_rng_state().equal(before)


def test_a_range_test_of_unknown_words_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'patients'"):
        range_test(network(), task(), patients=3)
    for name in ("smallest", "largest", "steps"):
        with pytest.raises(ValueError, match=f"{name}: expected a (whole )?number above 0, got 0"):
            range_test(network(), task(), **{name: 0})
