from pathlib import Path

import pandas as pd
import pytest

from neurolens.brain.labelling.agreement import check_recorded
from neurolens.errors import InputError


def check(images, **columns):
    """Check two rows of events for each image."""
    table = pd.DataFrame({name: [one for one in of for _ in "ab"] for name, of in columns.items()})
    check_recorded(table, [Path(f"{name}_bold.nii.gz") for name in images], [2] * len(images))


RUNS = ("sub-01_run-1", "sub-01_run-02")


@pytest.mark.parametrize(
    ("images", "columns"),
    [
        (RUNS, {"run": [1, 2]}),
        (RUNS, {"run": ["01", "2.0"]}),
        (RUNS, {"run": ["run-1", "run-2"]}),
        (RUNS, {"run": ["first", "second"]}),
        (RUNS, {"run": [0, 1]}),
        (RUNS, {"run": [1.0, 2.0], "participant_id": ["sub-01", "01"]}),
        (RUNS, {"subject": ["anna", "anna"]}),
        (("run-1", "betas"), {"run": [2, 1]}),
        (("ses-1_run-1", "ses-2_run-1"), {"run": [1, 2], "session": ["ses-1", "2"]}),
        (("ses-3_run-1", "ses-3_run-2"), {"run": [21, 22]}),
        (("ses-a_run-1", "ses-b_run-1"), {"session": ["morning", "evening"]}),
    ],
)
def test_labels_of_the_same(images, columns):
    """Runs may be written otherwise, counted from 0 or on over sessions, or have other names."""
    check(images, **columns)


@pytest.mark.parametrize(
    ("images", "columns", "told"),
    [
        (RUNS, {"run": [2, 1]}, "row 0 has run '2' beside sub-01_run-1_bold.nii.gz"),
        (RUNS, {"run": [2, 3]}, "row 0 has run '2'"),
        (RUNS, {"run": [1, 3]}, "row 2 has run '3' beside sub-01_run-02"),
        (RUNS[:1], {"run": [2]}, "row 0 has run '2'"),
        (RUNS, {"run": [1, 2], "participant_id": ["sub-02"] * 2}, "row 0 has participant_id"),
        (("ses-1_run-1", "ses-2_run-1"), {"session": [2, 1]}, "row 0 has session '2'"),
        (("ses-a_run-1", "ses-b_run-1"), {"session": ["b", "a"]}, "row 0 has session 'b'"),
        (("ses-1_run-1", "ses-1_run-2"), {"run": [2, 1]}, "Sort the rows, or the tables"),
    ],
)
def test_events_of_others(images, columns, told):
    with pytest.raises(InputError, match=told):
        check(images, **columns)
