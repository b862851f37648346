"""The form of scores, written down a second time, independently of the table that builds it."""

import numpy as np

FORM = {
    "score": ("op", "region", "subject"),
    "score_mean": ("op", "region"),
    "ci_low": ("op", "region", "subject"),
    "ci_high": ("op", "region", "subject"),
    "mean_ci_low": ("op", "region"),
    "mean_ci_high": ("op", "region"),
    "ceiling_lower": ("region",),
    "ceiling_upper": ("region",),
}
SOMETIMES = {
    "split_score": ("split", "half", "op", "region"),
    "split_member": ("split", "stimulus"),
    "p": ("op", "region"),
    "q": ("op", "region"),
    "p_max": ("op", "region"),
}
ATTRIBUTES = {
    "method": str,
    "measure": str,
    "interval_kind": str,
    "interval_over": str,
    "interval_level": float,
    "ceiling_note": str,
    "ceiling_bound": str,
    "reference": str,
    "n_stimuli": int | np.integer,
    "methods_text": str,
}
# Names that other results had for the same variables.
RETIRED = {"comparator", "metric", "confidence", "ceiling_kind"}


def check_form(scores, *extra, timed=False) -> None:
    """Assert that scores hold what every result holds, ``extra`` of the table, nothing renamed."""
    wanted = FORM | {name: SOMETIMES[name] for name in extra}
    for name, dims in wanted.items():
        has_time = timed and "region" in dims
        assert scores[name].dims == (*dims, *(("time_bin",) if has_time else ())), name
    assert not (set(SOMETIMES) - set(extra)) & set(scores.data_vars)
    for name, kind in ATTRIBUTES.items():
        assert isinstance(scores.attrs[name], kind), name
    assert not RETIRED & set(scores.attrs)
    text = scores.attrs["methods_text"]
    assert scores.attrs["measure"] in text
    assert f"There were {scores.attrs['n_stimuli']} stimuli." in text
    assert scores.attrs["ceiling_note"] in text
    if scores.attrs["interval_kind"] == "none":
        assert "Intervals" not in text
    else:
        assert (
            f"{scores.attrs['interval_kind']}, 95 %, over {scores.attrs['interval_over']}" in text
        )
