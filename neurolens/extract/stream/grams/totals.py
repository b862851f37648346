"""Sums of the products of some passes, with a record of the features in each sum."""

from dataclasses import dataclass, field

import numpy as np

from neurolens.errors import RecordingError
from neurolens.extract.stream.grams.products import ProductSums, share_sums
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.passes import BatchDeviation, merge_deviations
from neurolens.extract.stream.plan import count_elements
from neurolens.extract.stream.resume.report import ResumeReport


@dataclass
class GramSums:
    """The sums of some passes, by result.

    Attributes
    ----------
    grams : dict of str
        ``A A'`` (stimulus, stimulus_2), float64, upper triangle.
    totals : dict of str
        ``A 1`` (stimulus,), float64.
    residuals : dict of str
        Squared lengths (stimulus,) of the rows that were multiplied in float32, float64.
    added : dict of str
        The ranges of features that the two are sums of.
    ran : dict of str
        Which stimuli (stimulus,) ran the op, in all passes; of views too.
    unlike : set of str
        Results that for some stimuli were no view of the result whose Gram they were to share.
    deviations : dict of int
        How batches deviated from the recorded pass, by first row.
    eps : float
        Error of float32 products relative to the lengths of both rows; 0 where there are none.
    inexact : float
        That of a device whose products are so inexact that float64 ones were taken, or 0.
    report : ResumeReport
        Where the passes started, and how often ops ran.
    """

    grams: dict[str, np.ndarray] = field(default_factory=dict)
    totals: dict[str, np.ndarray] = field(default_factory=dict)
    residuals: dict[str, np.ndarray] = field(default_factory=dict)
    added: dict[str, list[range]] = field(default_factory=dict)
    ran: dict[str, np.ndarray] = field(default_factory=dict)
    unlike: set[str] = field(default_factory=set)
    deviations: dict[int, BatchDeviation] = field(default_factory=dict)
    eps: float = 0.0
    inexact: float = 0.0
    report: ResumeReport = field(default_factory=ResumeReport)

    def open_result(self, name: str, n_stimuli: int) -> None:
        """Make the zero sums of a result, unless they exist."""
        if name not in self.grams:
            self.grams[name] = np.zeros((n_stimuli, n_stimuli))
            self.totals[name] = np.zeros(n_stimuli)
            self.residuals[name] = np.zeros(n_stimuli)
            self.added[name] = []
            self.ran[name] = np.ones(n_stimuli, bool)

    def share(self, name: str) -> ProductSums:
        """Return the sums of a result as tensors in the same memory."""
        return share_sums(self.grams[name], self.totals[name], self.residuals[name])

    def add(self, other: "GramSums") -> None:
        """Add the sums of other passes; sums of results that both have are added up."""
        for name, gram in other.grams.items():
            if name not in self.grams:
                self.grams[name] = gram
                self.totals[name] = other.totals[name]
                self.residuals[name] = other.residuals[name]
                self.added[name] = other.added[name]
                continue
            self.grams[name] += gram
            self.totals[name] += other.totals[name]
            self.residuals[name] += other.residuals[name]
            self.added[name] += other.added[name]
        for name, ran in other.ran.items():
            self.ran[name] = self.ran[name] & ran if name in self.ran else ran
        self.unlike |= other.unlike
        self.eps = max(self.eps, other.eps)
        self.inexact = max(self.inexact, other.inexact)
        for row, deviation in other.deviations.items():
            self.note_deviation(row, deviation)
        self.report.add(other.report)

    def note_deviation(self, row: int, deviation: BatchDeviation) -> None:
        """Note how the batch with this first row deviated, in one more run."""
        if deviation != BatchDeviation():
            before = self.deviations.get(row, BatchDeviation())
            self.deviations[row] = merge_deviations(before, deviation)

    def check_features(self, layout: Layout) -> None:
        """Raise unless each feature of a result was added exactly once.

        Raises
        ------
        RecordingError
            When the ranges added are not those of all features, one after the other.
        """
        n_features = count_elements(layout.shape)
        expected = 0
        for part in sorted(self.added[layout.name], key=lambda part: (part.start, part.stop)):
            if part.start != expected:
                break
            expected = part.stop
        else:
            if expected == n_features:
                return
        parts = ", ".join(f"{part.start} to {part.stop}" for part in self.added[layout.name])
        raise RecordingError(
            f"the Gram of {layout.name!r} is not that of its {n_features} features: added were "
            f"{parts or 'none'}. No Gram is returned. This is a fault of NeuroLens: please report "
            "the model, the number of stimuli, memory= and batch_size=; another memory= may work.",
            anchor="fault-of-neurolens",
        )
