"""Latent RePaint: what is seen comes out, what is not is brought into harmony."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.latent_repaint import LatentRePaint, cells_of, replaced
from isopleth.inference.repaint import RePaint
from isopleth.inference.variational.readings import ByCase
from isopleth.observe import MaskOperator, Observation, PointOperator
from isopleth.observe.scaled import ScaledOperator
from isopleth.priors.samplers import DDIM, Ancestral
from isopleth.priors.schedules import karras

CASES, SIZE = 2, 5
SIGMAS = karras(24, 0.02, 20.0)


def draw(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def noise(rows: int, seed: int = 0) -> Callable[[Sequence[int]], Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(rows, *shape, generator=stream, dtype=torch.float64)


ROOT = torch.linalg.cholesky(0.75 ** (torch.arange(5)[:, None] - torch.arange(5)).abs().double())
BACKGROUND, CELLS = draw(CASES, SIZE, seed=1), draw(CASES, SIZE, seed=2)
SEEN = torch.tensor([[1, 0, 0, 0, 1], [0, 0, 1, 0, 0]]).bool()


def decode(z: Tensor) -> Tensor:
    """White latents of states that are `N(x_b, ROOT ROOT')`."""
    return BACKGROUND.repeat(len(z) // CASES, 1) + z @ ROOT.T


def encode(x: Tensor) -> Tensor:
    apart = x - BACKGROUND.repeat(len(x) // CASES, 1)
    return torch.linalg.solve_triangular(ROOT, apart.T, upper=False).T


def white(z: Tensor, sigma: Tensor) -> Tensor:
    return z / (1.0 + sigma.square())


def method(kind: type[DDIM] = Ancestral, **settings: object) -> LatentRePaint:
    whole: dict[str, object] = {
        "sampler": kind(white, SIGMAS),
        "known": replaced(BACKGROUND, CELLS, SEEN),
        "weight": SEEN.double(),
        "encode": encode,
        "decode": decode,
    }
    return LatentRePaint(**(whole | settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [DDIM, Ancestral])
def test_seen_cells_come_out_as_the_codec_says_them(kind: type[DDIM]) -> None:
    x = decode(method(kind, resampling=3)(noise(6), (SIZE,))).unflatten(0, (3, CASES))
    assert torch.allclose(x[:, SEEN], CELLS[SEEN].expand(3, -1), atol=1e-10)
    assert (x[0, ~SEEN] - x[1, ~SEEN]).abs().min() > 1e-3


def test_a_codec_with_few_modes_honours_what_it_can() -> None:
    """Of two latents, one number is seen: the state that fits, within the codec's error."""

    def narrow(z: Tensor) -> Tensor:
        return decode(torch.nn.functional.pad(z, (0, SIZE - 2)))

    def few(x: Tensor) -> Tensor:
        return encode(x)[:, :2]

    x = narrow(method(encode=few, decode=narrow)(noise(4), (2,)))
    at_best = narrow(few(replaced(BACKGROUND, CELLS, SEEN)))
    assert torch.allclose(x[::2, 0], at_best[0, 0].expand(2), atol=1e-10)  # the first mode's own
    assert (x[::2, 4] - CELLS[0, 4]).abs().min() > 1e-3  # lost between modes


def test_harmony_with_what_was_seen() -> None:
    """Through a codec that turns: unseen cells approach the posterior given exact values."""
    S, Q = ROOT @ ROOT.T, torch.linalg.qr(draw(SIZE, SIZE, seed=6)).Q

    def turned(z: Tensor, sigma: Tensor) -> Tensor:
        gain = Q.T @ torch.linalg.solve(S + sigma.square() * torch.eye(SIZE), S) @ Q
        return z @ gain.T

    def distance(resampling: int) -> float:
        chain = method(
            sampler=Ancestral(turned, SIGMAS),
            encode=lambda x: (x - BACKGROUND.repeat(len(x) // CASES, 1)) @ Q,
            decode=lambda z: BACKGROUND.repeat(len(z) // CASES, 1) + z @ Q.T,
            resampling=resampling,
        )
        z = chain(noise(400 * CASES, 3), (SIZE,))
        mean = chain.decode(z).unflatten(0, (400, CASES)).mean(0)
        total = 0.0
        for case in range(CASES):
            seen, unseen = SEEN[case], ~SEEN[case]
            gain = torch.linalg.solve(S[seen][:, seen], S[seen][:, unseen]).T
            apart = (CELLS - BACKGROUND)[case, seen]
            exact = BACKGROUND[case, unseen] + gain @ apart
            total += float((mean[case, unseen] - exact).square().mean())
        return total

    once, often = distance(1), distance(10)
    assert often < 0.3 * once
    assert often < 0.05


def test_without_a_codec_it_is_repaint() -> None:
    plain = RePaint(Ancestral(white, SIGMAS), replaced(BACKGROUND, CELLS, SEEN), SEEN, 4, jump=3)
    same = {"encode": lambda x: x, "decode": lambda z: z, "resampling": 4, "jump": 3}
    found = method(**same)(noise(CASES), (SIZE,))
    torch.testing.assert_close(found, plain(noise(CASES), (SIZE,)))


def test_where_nothing_is_seen_it_is_the_sampler() -> None:
    free = DDIM(white, SIGMAS)(noise(4), (SIZE,))
    found = method(DDIM, weight=torch.zeros(CASES, SIZE))(noise(4), (SIZE,))
    torch.testing.assert_close(found, free)


def test_the_decoder_sees_latents_of_their_own_size() -> None:
    """At every noise level z / sqrt(1 + s^2), which is white where z0 is."""
    sizes: list[float] = []

    def watched(z: Tensor) -> Tensor:
        sizes.append(float(z.std()))
        return decode(z)

    known = decode(draw(2000, SIZE, seed=5))
    nothing = torch.zeros_like(known)
    method(decode=watched, known=known, weight=nothing)(noise(2000), (SIZE,))
    assert len(sizes) == 2 * 24
    assert sizes == pytest.approx([1.0] * 48, abs=0.2)


def test_rows_do_not_mix() -> None:
    numbers = draw(200, 6, SIZE, seed=4)

    def given(rows: slice) -> Callable[[Sequence[int]], Tensor]:
        turns = iter(numbers)
        return lambda shape: next(turns)[rows]

    together = method(resampling=2)(given(slice(6)), (SIZE,))
    alone = method(resampling=2)(given(slice(2, 4)), (SIZE,))
    torch.testing.assert_close(together[2:4], alone)


def test_known_is_made_of_the_background_and_the_cells_alone() -> None:
    truth = torch.where(SEEN, CELLS, torch.nan)
    known = replaced(BACKGROUND, truth, SEEN)
    assert torch.equal(known[~SEEN], BACKGROUND[~SEEN])
    assert torch.equal(known[SEEN], CELLS[SEEN])


GRID = Grid.regular(45.0, levels=[0.0, 1.0])


def flags(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(GRID.shape) < 0.2


def cells(seed: int) -> Observation:
    at = MaskOperator(GRID, flags(seed))
    return Observation(draw(*at.valid.shape, seed=seed), at, torch.tensor(0.1))


def test_observations_as_cells() -> None:
    first, second = cells(3), cells(4)
    values = second.values.clone()
    values[0] = torch.nan
    gone = Observation(values, second.operator, second.variance)
    y, seen = cells_of(ByCase([[first], [gone], []]), torch.Size(GRID.shape), values)
    assert torch.equal(seen[0], torch.from_numpy(flags(3)))
    assert torch.equal(y[0][seen[0]], first.values)
    assert torch.equal(y[1][seen[1]], values[1:])
    assert not bool(seen[2].any())
    assert float(y[~seen].abs().max()) == 0.0


def test_what_is_no_cell() -> None:
    between = PointOperator(GRID, [10.0, -20.0], [33.0, 200.0], level=0)
    one = cells(3)
    doubled = ScaledOperator(one.operator, torch.tensor(2.0).double())  # type: ignore[arg-type]
    for at, values in ((between, torch.ones(2)), (doubled, one.values)):
        case = ByCase([[Observation(values, at, torch.tensor(1.0))]])
        with pytest.raises(InputError, match="does not read single cells"):
            cells_of(case, torch.Size(GRID.shape), one.values)
    with pytest.raises(InputError, match="observed twice"):
        cells_of(ByCase([[one, one]]), torch.Size(GRID.shape), one.values)


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="resampling is 0"):
        method(resampling=0)
    with pytest.raises(InputError, match="one weight for every cell"):
        method(weight=SEEN[:1].double())
    with pytest.raises(InputError, match=r"weights from 0 to 2"):
        method(weight=2.0 * SEEN)
    with pytest.raises(InputError, match="known state is not finite"):
        method(known=torch.where(SEEN, CELLS, torch.nan))
    with pytest.raises(InputError, match="3 latents and 2 known"):
        method()(noise(3), (SIZE,))
    with pytest.raises(InputError, match="three of one shape"):
        replaced(BACKGROUND, CELLS[:1], SEEN)
    with pytest.raises(InputError, match="no finite value"):
        replaced(BACKGROUND, torch.full_like(CELLS, torch.nan), SEEN)
