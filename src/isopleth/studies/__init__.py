"""How a claim is proven: what is hidden, who may tune how much, how sure a figure is, its record.

`heldout` hides whole boxes of ocean, `tuning` gives every method the same budget, `bootstrap` says
how far a ratio of scores could be luck, `scores` judges predictions level by level, `results` is
the file a benchmark leaves (its numbers in `rows`, where it was made in `provenance`), `tables`
turns it into what people read.
"""

from __future__ import annotations

from isopleth.studies.bootstrap import (
    Interval,
    mean_interval,
    ratio_of_means,
    ratio_of_rmse,
    rmse_interval,
)
from isopleth.studies.heldout import (
    HeldOut,
    block_ids,
    box_ids,
    follow,
    partition,
    partitions,
)
from isopleth.studies.provenance import (
    Stamp,
    code_digest,
    device_description,
    git_commit,
    sha256_of,
    stamp,
)
from isopleth.studies.results import (
    Result,
    judged,
    read_cases,
    recompute_headlines,
    replacing,
    targets_met,
    write_cases,
)
from isopleth.studies.rows import (
    Headline,
    Row,
    average,
    evaluate,
    headline_fields,
    largest,
    ratio_of,
    select,
    smallest,
)
from isopleth.studies.scores import case_scores, score_table
from isopleth.studies.tables import readme_block, render, table, update_readme
from isopleth.studies.tuning import Choice, Dimension, LogUniform, Trial, Trials, Uniform, search

__all__ = [
    "Choice",
    "Dimension",
    "Headline",
    "HeldOut",
    "Interval",
    "LogUniform",
    "Result",
    "Row",
    "Stamp",
    "Trial",
    "Trials",
    "Uniform",
    "average",
    "block_ids",
    "box_ids",
    "case_scores",
    "code_digest",
    "device_description",
    "evaluate",
    "follow",
    "git_commit",
    "headline_fields",
    "judged",
    "largest",
    "mean_interval",
    "partition",
    "partitions",
    "ratio_of",
    "ratio_of_means",
    "ratio_of_rmse",
    "read_cases",
    "readme_block",
    "recompute_headlines",
    "render",
    "replacing",
    "rmse_interval",
    "score_table",
    "search",
    "select",
    "sha256_of",
    "smallest",
    "stamp",
    "table",
    "targets_met",
    "update_readme",
    "write_cases",
]
