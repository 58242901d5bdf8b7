"""The local filter against one written column by column, and its distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.dynamics.lorenz import Components
from isopleth.inference.interpolation.shapes import Exponential, GaspariCohn, Shape
from isopleth.inference.kalman import ETKF, LETKF, Geometry, Located, PeriodicLine, Sphere
from isopleth.inference.kalman import letkf as module
from isopleth.observe import MaskOperator, Observation, PointOperator

GRID = Grid.regular(30.0, levels=[0.0, 100.0])


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def on_the_line(count: int = 12, size: int = 24) -> tuple[Tensor, list[Located]]:
    rng = np.random.default_rng(0)
    index = tuple(rng.choice(size, count, replace=False).tolist())
    seen = Observation(draw(count, seed=1), Components(index, size), 0.2 + draw(count).square())
    return draw(6, size, seed=2), [Located(seen, np.array(index)[:, None])]


def on_the_globe() -> tuple[Tensor, list[Located]]:
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-85, 85, 15), rng.uniform(0, 360, 15)
    at = PointOperator(GRID, lat, lon, level=rng.integers(0, 2, 15))
    seen = Observation(draw(15, seed=3), at, 0.1 + draw(15, seed=4).square())
    column = MaskOperator(GRID, np.eye(6, 12) > 0)
    other = Observation(draw(12, seed=5), column, torch.tensor(0.4))
    where = np.stack([GRID.latitude[:6], GRID.longitude[:6]], 1)
    place = np.concatenate([where, where])  # the mask reads both levels, one after the other
    return draw(5, *GRID.shape, seed=6), [
        Located(seen, np.stack([lat, lon], 1)),
        Located(other, place),
    ]


def great_circle(lat: float, lon: float, other: np.ndarray) -> np.ndarray:
    """Haversine, km."""
    a, b = np.radians(lat), np.radians(other[:, 0])
    half = np.sin((b - a) / 2) ** 2
    half += np.cos(a) * np.cos(b) * np.sin(np.radians(other[:, 1] - lon) / 2) ** 2
    return 2 * EARTH_RADIUS / 1000 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def by_hand(x: Tensor, seen: list[Located], distance: np.ndarray, taper: Shape) -> Tensor:
    """One column after the other, R itself tapered, the Kalman gain of the columns' weights."""
    flat = x.reshape(len(x), -1, len(distance))
    result = flat.clone()
    Y = torch.cat([o.operator(x) for o in seen], 1)
    values, R = (torch.cat([getattr(o, name) for o in seen]) for name in ("values", "variance"))
    for column, far in enumerate(distance):
        rho = torch.from_numpy(taper(far))
        near = rho > 0
        S = (Y - Y.mean(0))[:, near]
        inverse = torch.diag(rho[near] / R[near])
        A = torch.linalg.inv((len(x) - 1) * torch.eye(len(x)) + S @ inverse @ S.T)
        w = A @ S @ inverse @ (values - Y.mean(0))[near]
        values_, V = torch.linalg.eigh((len(x) - 1) * A)
        T = (V * values_.sqrt()) @ V.T + w[:, None]
        part = flat[:, :, column]
        result[:, :, column] = part.mean(0) + T.T @ (part - part.mean(0))
    return result.reshape(x.shape)


@pytest.mark.parametrize("taper", [GaspariCohn(), Exponential()])
def test_the_line_column_by_column(taper: Shape) -> None:
    x, seen = on_the_line()
    gap = np.abs(np.arange(24)[:, None] - np.asarray(seen[0].position)[:, 0])
    distance = np.minimum(gap, 24 - gap)

    def within(far: np.ndarray) -> np.ndarray:
        return np.where(far < 5.0, taper(far / 5.0), 0.0)

    found = LETKF(geometry=PeriodicLine(24), radius=5.0, taper=taper)(x, seen)
    assert torch.allclose(found, by_hand(x, seen, distance, within))


def test_the_globe_column_by_column() -> None:
    x, seen = on_the_globe()
    place = np.concatenate([np.asarray(o.position) for o in seen])
    lat, lon = np.meshgrid(GRID.latitude, GRID.longitude, indexing="ij")
    distance = np.stack(
        [great_circle(a, b, place) for a, b in zip(lat.flat, lon.flat, strict=True)]
    )
    found = LETKF(geometry=Sphere.of(GRID), radius=6000.0)(x, seen)
    expected = by_hand(x, seen, distance, lambda far: GaspariCohn()(far / 6000.0))
    assert torch.allclose(found, expected)
    assert not torch.allclose(found, ETKF()(x, seen), atol=0.05)


@pytest.mark.parametrize("world", [on_the_line, on_the_globe])
def test_an_infinite_radius_is_the_global_filter(world: object) -> None:
    x, seen = world()  # type: ignore[operator]
    geometry: Geometry = PeriodicLine(24) if world is on_the_line else Sphere.of(GRID)
    found = LETKF(geometry=geometry, radius=float("inf"))(x, seen)
    assert torch.allclose(found, ETKF()(x, seen), atol=1e-12)


def test_columns_out_of_reach_keep_their_members_bit_for_bit() -> None:
    x = draw(5, 24)
    seen = Observation(torch.tensor([1.0, 2.0]), Components((0, 3), 24), torch.tensor(0.1))
    found = LETKF(geometry=PeriodicLine(24), radius=3.0)(x, [Located(seen, [[0.0], [3.0]])])
    changed = (found != x).any(0)
    assert changed.tolist() == [True] * 6 + [False] * 16 + [True] * 2


def test_the_batches_bound_the_memory_and_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, seen = on_the_globe()
    largest: list[int] = []
    transform = module.ensemble_transform

    def watched(C: Tensor, b: Tensor) -> Tensor:
        largest.append(C.numel())
        return transform(C, b)

    monkeypatch.setattr(module, "ensemble_transform", watched)
    answers = []
    for numbers in (1, 5_000, 1 << 24):
        method = LETKF(geometry=Sphere.of(GRID), radius=6000.0, numbers=numbers)
        largest.clear()
        answers.append(method(x, seen))
        assert max(largest) <= max(numbers / 6, 25)  # one domain at least
        assert (len(largest) == 1) is (numbers == 1 << 24)
    assert torch.allclose(answers[0], answers[1], atol=1e-12)
    assert torch.allclose(answers[0], answers[2], atol=1e-12)


def test_half_a_million_domains_would_not_be_held_at_once() -> None:
    """The plan alone: what a fine global grid asks for stays within the bound."""
    counts = np.full(500_000, 300)
    counts[::1000] = 3000
    method = LETKF(geometry=PeriodicLine(1), radius=1.0, numbers=1 << 22)
    batches = list(method._batches(counts, 32, 10))
    assert sum(map(len, batches)) == len(counts)
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(counts)))
    assert max(len(b) * counts[b].max() * 2 * 32 for b in batches) <= 1 << 22


# --- distances -------------------------------------------------------------------------------


def test_distances_on_the_line_go_round() -> None:
    line = PeriodicLine(10, length=100.0)
    near = line.search(np.array([[5.0], [95.0], [95.0]]), 16.0)
    assert near.counts.tolist() == [3, 3, 1, 0, 0, 0, 0, 0, 2, 3]
    item, distance = near(np.array([0, 2, 3]))
    assert item.tolist() == [[0, 1, 2], [0, -1, -1], [-1, -1, -1]]
    assert np.allclose(distance[:2], [[5, 5, 5], [15, np.inf, np.inf]])
    item, distance = line.search(np.array([50.0]), np.inf)(np.array([0]))
    assert distance[0, 0] == pytest.approx(50.0, rel=1e-6)


def test_distances_on_the_globe_are_great_circles_over_poles_and_the_date_line() -> None:
    globe = Sphere.of(GRID)
    place = np.array([[89.0, 10.0], [0.0, 359.0], [-75.0, 15.0], [-75.0, 15.0]])
    item, distance = globe.search(place, np.inf)(np.arange(72))
    lat, lon = np.meshgrid(GRID.latitude, GRID.longitude, indexing="ij")
    for column, (a, b) in enumerate(zip(lat.flat, lon.flat, strict=True)):
        assert item[column].tolist() == [0, 1, 2, 3]
        assert np.allclose(distance[column], great_circle(a, b, place), atol=1e-3)


def test_no_neighbour_at_all() -> None:
    item, distance = PeriodicLine(10).search(np.array([[0.5]]), 0.1)(np.array([3, 4]))
    assert item.shape == distance.shape == (2, 0)


def test_places_on_the_sphere_for_columns_and_single_values() -> None:
    lat, lon = np.array([10.0, -20.0]), np.array([5.0, 300.0])
    operator = Components((0, 1), 2)
    single = Observation(torch.zeros(2), operator, torch.tensor(1.0))
    assert np.array_equal(
        np.asarray(Located.on_sphere(single, lat, lon).position), np.stack([lat, lon], 1)
    )

    class Column:
        valid = torch.ones(2, 3, dtype=torch.bool)

        def __call__(self, x: Tensor) -> Tensor:
            return x

    columns = Observation(torch.zeros(2, 3), Column(), torch.tensor(1.0))
    place = np.asarray(Located.on_sphere(columns, lat, lon).position)
    assert place.shape == (2, 3, 2)
    assert np.array_equal(place[1], np.tile([-20.0, 300.0], (3, 1)))


# --- bad input -------------------------------------------------------------------------------


def test_bad_input() -> None:
    x, seen = on_the_line()
    method = LETKF(geometry=PeriodicLine(24), radius=5.0)
    with pytest.raises(InputError, match="Observation has no position: wrap it in Located"):
        method(x, [seen[0].observation])
    with pytest.raises(InputError, match=r"members of shape \(6, 23\) do not end in \(24,\)"):
        method(x[:, :23], seen)
    with pytest.raises(InputError, match=r"positions of shape \(3, 1\) do not belong to values"):
        Located(seen[0].observation, np.zeros((3, 1)))
    for name in ("radius", "numbers"):
        settings = {"radius": 5.0, "numbers": 10, name: 0}
        with pytest.raises(InputError, match=f"{name} is 0: give a positive number"):
            LETKF(geometry=PeriodicLine(24), **settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="radius is nan"):
        LETKF(geometry=PeriodicLine(24), radius=float("nan"))


def test_bad_places() -> None:
    with pytest.raises(InputError, match="a line of 0 points"):
        PeriodicLine(0)
    with pytest.raises(InputError, match=r"length -1\.0 is none"):
        PeriodicLine(4, length=-1.0)
    with pytest.raises(InputError, match="not one finite coordinate each"):
        PeriodicLine(4).search(np.array([[np.nan]]), 1.0)
    with pytest.raises(InputError, match="the position 95 N, 0 E is not on the Earth"):
        Sphere(np.array([95.0]), np.array([0.0]))
    globe = Sphere.of(GRID)
    with pytest.raises(InputError, match="the position 0 N, nan E is not on the Earth"):
        globe.search(np.array([[0.0, np.nan]]), 1.0)
    with pytest.raises(InputError, match=r"positions have shape \(2,\): give \(p, 2\)"):
        globe.search(np.zeros(2), 1.0)
