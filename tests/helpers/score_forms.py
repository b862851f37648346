"""What every answer to "how well does each op fit each region" must look like."""

import numpy as np

from neurolens.scores import ALWAYS, VARIABLES, list_references, read_scores

ATTRIBUTES = (
    "method",
    "measure",
    "interval_kind",
    "interval_over",
    "interval_level",
    "ceiling_note",
    "ceiling_bound",
    "reference",
    "n_stimuli",
    "methods_text",
)


def check_form(scores, *, times=(), **attrs):
    """Check dimensions, that nothing is missing, and that attributes and sentence say ``attrs``."""
    assert set(ALWAYS) <= set(scores.data_vars)
    for name in set(VARIABLES) & set(scores.data_vars):
        assert scores[name].dims == (*VARIABLES[name], *times), name
    known = scores["score_mean"].notnull()
    np.testing.assert_allclose(
        scores["score_mean"].where(known), scores["score"].mean("subject").where(known)
    )
    assert set(ATTRIBUTES) <= set(scores.attrs)
    assert not {"metric", "comparator", "ceiling_kind", "interval_note"} & set(scores.attrs)
    assert {name: scores.attrs[name] for name in attrs} == attrs
    assert len(list_references(scores.attrs)) == len(scores.attrs["reference"].split(","))
    text = scores.attrs["methods_text"]
    assert scores.attrs["measure"] in text
    assert f"There were {scores.attrs['n_stimuli']} stimuli." in text
    assert scores.attrs["ceiling_note"] in text
    read_scores(scores, "check_form", over_time=bool(times))
