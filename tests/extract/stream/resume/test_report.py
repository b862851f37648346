"""What a series of passes computed, as attributes."""

from neurolens.extract.stream.resume.report import ResumeReport


def test_one_whole_pass_says_little():
    report = ResumeReport(n_passes=1, n_forward=1.0)
    assert report.describe() == {"forward_passes": 1.0, "resumed_passes": 0}


def test_reports_of_several_series_are_added():
    report = ResumeReport(2, 1.25, ["a"], [7], ["draws"], 10)
    report.add(ResumeReport(3, 1.5, ["b", "c"], [8, 9], ["draws", "reads"], 5))
    report.note("")
    assert report.n_passes == 5
    assert report.describe() == {
        "forward_passes": 2.75,
        "resumed_passes": 3,
        "resume_cuts": ["a", "b", "c"],
        "resume_bytes": [7, 8, 9],
        "spilled_bytes": 15,
        "recompute_reason": ["draws", "reads"],
    }
