from __future__ import annotations

from pathlib import Path

import pytest

from isopleth.cli import main
from isopleth.cli.arguments import Reconstruct
from isopleth.cli.methods import METHODS
from isopleth.cli.request import check
from isopleth.core import Region

BAD = {
    "--withhold 0.6": "--withhold 0.6 is not possible: give a share of the boxes from 0 to 0.5",
    "--withhold -0.1": "--withhold -0.1 is not possible",
    "--withhold nan": "--withhold nan is not possible",
    "--members -1": "--members -1 is not possible: give 0 or more",
    "--seed -3": "--seed -3 is not possible",
    "--month 2016-13": "the month '2016-13' is not understood",
    "--month january": "write it as YYYY-MM",
    "--region atlantic": "the region 'atlantic' is not understood",
    "--region 60N:95N,0:10": "both within -90 and 90",
    "--levels 0,ten": "the levels '0,ten' are not understood: write depths in m as 0,10,100",
    "--levels 0,0": "hold a depth twice",
    "--levels 0,-5": "the level -5 m is not possible",
    "--levels inf": "the level inf m is not possible",
    "--obs-error 0": "--obs-error 0 is not possible: give a standard deviation above 0",
    "--window-days -1": "--window-days -1 is not possible",
    "--out map.txt": "has no known format: end it in .nc or .zarr",
    "--out map": "has no known format",
    "--demo": "leave one out",
    "--weights w.json": "--method kriging has no weights: leave --weights out",
}


@pytest.mark.parametrize("option", BAD)
def test_a_wrong_option_is_told_before_anything_is_read(
    option: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, value = option.partition(" ")
    words = [f"{name}={value}"] if value else [name]
    assert main(["reconstruct", str(table), *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert BAD[option] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no file of observations was given"),
        (["--demo", "--month", "2015-01"], "has the profiles of 2016-01 only"),
        (["--demo", "--variable", "salinity"], "leave --variable out"),
        (["--demo", "--climatology", "woa.nc"], "leave --climatology out"),
        (["--demo", "--method", "mmps", "--weights", "w.json"], "there is no card 'w.json'"),
    ],
)
def test_a_job_without_its_data(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("method", ["mmps", "reconmost"])
@pytest.mark.parametrize("option", [["--variable", "salinity"], ["--climatology", "woa.nc"]])
def test_a_trained_prior_knows_one_variable_and_climatology(
    method: str, option: list[str], table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", str(table), "--method", method, *option]) == 2
    told = f"leave {option[0]} out, or use --method kriging"
    assert told in capsys.readouterr().err


def test_words_become_values(table: Path) -> None:
    asked = Reconstruct(
        observations=(table,), region="20N:60N,80W:10E", levels="100, 0,10", window_days=5.0
    )
    request = check(asked)
    assert request.region == Region(20.0, 60.0, 280.0, 370.0)
    assert request.levels == (0.0, 10.0, 100.0)
    assert request.method.window_days == 5.0
    assert request.month is None
    assert request.report == Path("analysis.html")


def test_every_method_of_the_table_can_be_chosen(table: Path) -> None:
    for name, method in METHODS.items():
        asked = Reconstruct(observations=(table,), method=name)  # type: ignore[arg-type]
        assert check(asked).method is method
    assert not METHODS["kriging"].learned
    assert METHODS["mmps"].learned
    assert METHODS["kriging"].window_days == METHODS["mmps"].window_days == 31.0


def test_the_demonstration_has_its_month() -> None:
    assert check(Reconstruct(demo=True)).month == "2016-01"


def test_what_is_in_the_way_is_not_overwritten(tmp_path: Path, table: Path) -> None:
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "a.nc").mkdir()
    (tmp_path / "b.zarr").touch()
    for name, told in (
        ("mine.zarr", "is a folder already"),
        ("a.nc", "is a folder already"),
        ("b.zarr", "is a file already"),
        ("b.zarr/in.nc", "no folder that can be written to"),
    ):
        with pytest.raises(ValueError, match=told):
            check(Reconstruct(observations=(table,), out=tmp_path / name))
    (tmp_path / "mine.zarr" / ".zgroup").touch()
    check(Reconstruct(observations=(table,), out=tmp_path / "mine.zarr"))
    check(Reconstruct(observations=(table,), out=tmp_path / "new" / "folder" / "a.nc"))


def test_what_is_read_is_not_written_over(tmp_path: Path, table: Path) -> None:
    grid = tmp_path / "grid.nc"
    grid.touch()
    for words in ({"grid": str(grid)}, {"climatology": f"{grid}:t"}, {"observations": (grid,)}):
        with pytest.raises(ValueError, match=r"would replace '.*grid\.nc', which is to be read"):
            check(Reconstruct(**{"observations": (table,), "out": grid} | words))  # type: ignore[arg-type]


def test_a_folder_in_the_place_of_the_report(tmp_path: Path, table: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(ValueError, match=r"the report would be '.*a\.html', which is a folder"):
        check(Reconstruct(observations=(table,), out=tmp_path / "a.nc"))
