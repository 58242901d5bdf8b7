from __future__ import annotations

import numpy as np
import pytest

from isopleth.report.scales import diverging, fraction, per_panel, sequential


def test_diverging_is_symmetric_with_equal_strength_beside_zero() -> None:
    scale = diverging([np.array([-0.3, 0.1, 1.9])], "Anomaly")
    levels = np.array(scale.levels)
    assert levels == pytest.approx(-levels[::-1])
    assert 0.0 in scale.ticks
    below, above = (scale.norm(np.array([v])).data[0] for v in (-1e-6, 1e-6))
    assert int(below) + int(above) == pytest.approx(scale.cmap.N - 1, abs=2)


def test_one_outlier_does_not_move_the_limits() -> None:
    calm = np.linspace(0.0, 10.0, 1000)
    wild = np.append(calm, 1e6)
    assert sequential([wild], "T").levels == sequential([calm], "T").levels
    assert sequential([wild], "T").extend == "max"


@pytest.mark.parametrize("span", [0.013, 0.7, 3.0, 28.0, 4321.0])
def test_steps_are_few_and_round(span: float) -> None:
    scale = sequential([np.linspace(-span / 3.0, span, 500)], "T")
    assert 7 <= len(scale.levels) <= 17
    assert len(scale.ticks) <= 9
    step = scale.levels[1] - scale.levels[0]
    mantissa = step / 10.0 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1.0, 2.0, 2.5, 5.0)) < 1e-6


@pytest.mark.parametrize("values", [np.full(4, 2.0), np.full(3, np.nan), np.zeros(0)])
def test_constant_and_empty_fields_have_a_scale(values: np.ndarray) -> None:
    for make in (sequential, diverging):
        levels = make([values], "T").levels
        assert np.all(np.diff(levels) > 0.0)


def test_comparable_panels_share_a_scale_and_others_do_not() -> None:
    wide, narrow = np.linspace(-2.0, 2.0, 99), np.linspace(-0.2, 0.2, 99)
    shared = per_panel(lambda v: diverging(v, "A"), [wide, wide / 2.0])
    assert shared[0] is shared[1]
    own = per_panel(lambda v: diverging(v, "A"), [wide, narrow])
    assert own[0] != own[1]


def test_fraction_runs_from_nought_to_one() -> None:
    assert fraction("Share").levels[0] == 0.0
    assert fraction("Share").levels[-1] == 1.0
