"""What each quantity of a report means, in a line; braces are filled in by the chapter."""

from __future__ import annotations

__all__ = ["GLOSSARY"]

GLOSSARY = {
    "{noun}": "{long}{unit}: the best estimate for the month in each cell (variable {name}).",
    "Climatology": (
        "A mean over many years: what one would say without any observation of this month "
        "(climatology)."
    ),
    "Anomaly": "The analysed field less the climatology.",
    "Standard error": (
        "Standard deviation of the error of the analysed field, in its unit "
        "({name}_standard_error). It is of the field, not of a single observation."
    ),
    "Error before any observation": (
        "Standard deviation of the ocean about the climatology (error_of_prior): the standard "
        "error where no profile helps."
    ),
    "Observations nearby": (
        "Effective number of profiles close by: the sum of the correlations with the cell of all "
        "profiles within one scale length (observations_nearby). A cell with less than 0.5 is "
        "beyond the reach of any profile."
    ),
    "Member": "One possible state of the ocean, drawn from the analysis ({name}_members).",
    "Held back": "A profile that was hidden from the method while it was judged by it.",
    "RMSE": "Root mean square error: the typical size of an error; large errors weigh more.",
    "Bias": "Mean of predicted less observed: positive if too high.",
    "CRPS": (
        "Continuous ranked probability score: the error of the whole predicted distribution, in "
        "the unit of the data; without any spread it is the mean absolute error."
    ),
    "Coverage": (
        "Share of observed values inside the stated interval; the interval includes the error of "
        "the observation."
    ),
    "PIT": (
        "Probability integral transform: the predicted probability of a value below the observed "
        "one; evenly spread if the predictions are calibrated."
    ),
}
