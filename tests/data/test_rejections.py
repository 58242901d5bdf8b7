from __future__ import annotations

from isopleth.data.rejections import Rejection, RejectionTable


def test_reasons_without_cost_are_left_out() -> None:
    assert len(RejectionTable.of({"spike": 0, "time missing": 3})) == 1


def test_sum_adds_equal_reasons_and_keeps_order() -> None:
    one = RejectionTable((Rejection("a", 2, 1), Rejection("b", 1, 1)))
    other = RejectionTable((Rejection("b", 4, 2), Rejection("c", 1)))
    total = one + other
    assert [row.reason for row in total.rows] == ["a", "b", "c"]
    assert total["b"] == 5
    assert total.values == one.values + other.values
    assert total.rows[1].profiles == 3


def test_unknown_number_of_profiles_stays_unknown() -> None:
    total = RejectionTable((Rejection("a", 1, 1),)) + RejectionTable((Rejection("a", 1),))
    assert total.rows[0].profiles is None


def test_text_names_counts_or_none() -> None:
    assert str(RejectionTable()) == "none"
    assert str(RejectionTable.of({"spike": 4})) == "4 spike"
