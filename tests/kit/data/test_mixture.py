"""Mixtures: how much of each source an epoch takes, that nothing comes twice early, and that a seed decides."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.data.mixture import Mixture, Source, mix
from kit.errors import InputError
from kit.train.plan.plan import make_plan
from tests.kit.train.parts import copy_rows, section


def source(name: str, count: int, seed: int, weight: float = 1.0) -> Source:
    return Source(name, tuple(copy_rows(count, seed)), weight)


def taken(mixture: Mixture, epochs: int, seed: int = 0) -> Counter[int]:
    return Counter(index for number in range(epochs) for index in mixture.epoch(number, seed))


def test_at_temperature_one_every_row_comes_once_an_epoch() -> None:
    mixture = mix([source("large", 30, 0), source("small", 6, 1)])
    assert [taken(mixture, epochs) for epochs in (1, 3)] == [Counter(dict.fromkeys(range(36), n)) for n in (1, 3)]


def test_a_higher_temperature_evens_the_shares_out() -> None:
    sources = [source("large", 90, 0), source("small", 10, 1)]
    shares = [mix(sources, temperature).shares()["small"] for temperature in (1, 2, 1000)]
    assert shares == [0.1, 0.25, 0.5]


def test_a_weight_multiplies_a_share() -> None:
    assert mix([source("one", 20, 0), source("two", 20, 1, weight=3.0)]).shares() == {"one": 0.25, "two": 0.75}


def test_replayed_rows_get_their_share_and_all_of_them_come_before_one_comes_again() -> None:
    mixture = mix([source("own", 40, 0)], replay=source("replay", 25, 1), share=0.2)
    assert mixture.shares() == {"own": 0.8, "replay": 0.2}
    first_two = taken(mixture, 2)
    assert {index for index, times in first_two.items() if index >= 40 and times == 1} <= set(range(40, 65))
    assert sum(first_two[index] for index in range(40, 65)) == 20
    assert max(first_two[index] for index in range(40, 65)) == 1
    assert {taken(mixture, 5)[index] for index in range(40, 65)} == {2}


def test_rows_of_weight_nothing_are_left_out_of_every_source() -> None:
    muted = Source("muted", tuple(copy_rows(5, 3, weight=0.0)))
    mixture = mix([source("own", 8, 0), muted], replay=muted, share=0.5)
    assert (mixture.names, len(mixture.rows)) == (("own",), 8)
    with pytest.raises(InputError, match="no row to train on"):
        mix([muted])


@given(st.lists(st.integers(1, 200), min_size=1, max_size=5), st.floats(1, 50))
def test_an_epoch_is_as_long_as_all_rows_and_leaves_no_source_out(sizes: list[int], temperature: float) -> None:
    rows = copy_rows(1)
    mixture = mix([Source(str(n), tuple(rows * size)) for n, size in enumerate(sizes)], temperature)
    assert mixture.epoch_rows == sum(sizes)
    assert min(mixture.quotas) >= 1


def test_the_plan_follows_the_mixture_and_a_seed_decides_the_order() -> None:
    mixture = mix([source("own", 16, 0)], replay=source("replay", 9, 1), share=0.2)
    plans = [make_plan(mixture.rows, section(epochs=2, seed=seed), mixture) for seed in (0, 0, 1)]
    assert plans[0].digest == plans[1].digest != plans[2].digest
    rows = [index for step in plans[0].steps for index in step.rows]
    assert len(rows) == 40
    assert sum(index >= 16 for index in rows) == 8
