"""What a series of passes computed, and where they started."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ResumeReport:
    """Where the passes of a series started, why not later, and what that took.

    Attributes
    ----------
    n_passes : int
    n_forward : float
        How often an op ran, relative to one run over the set up to the last wanted op.
    starts : list of str
        The first op that each later pass ran, in order; those that began at the input are left out.
    alive_bytes : list of int
        What is alive where these started, of all stimuli.
    reasons : list of str
        Why passes began at the input, or earlier than where the last one ended.
    spilled_bytes : int
        That were written into temporary files.
    """

    n_passes: int = 0
    n_forward: float = 0.0
    starts: list[str] = field(default_factory=list)
    alive_bytes: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    spilled_bytes: int = 0

    def add(self, other: "ResumeReport") -> None:
        """Add what another series did."""
        self.n_passes += other.n_passes
        self.n_forward += other.n_forward
        self.starts += other.starts
        self.alive_bytes += other.alive_bytes
        for reason in other.reasons:
            self.note(reason)
        self.spilled_bytes += other.spilled_bytes

    def note(self, reason: str) -> None:
        """Note a reason, once."""
        if reason and reason not in self.reasons:
            self.reasons.append(reason)

    def describe(self) -> dict[str, Any]:
        """Return it as attributes of a result."""
        attributes: dict[str, Any] = {
            "forward_passes": round(self.n_forward, 3),
            "resumed_passes": len(self.starts),
        }
        if self.starts:
            attributes["resume_cuts"] = self.starts
            attributes["resume_bytes"] = self.alive_bytes
            attributes["spilled_bytes"] = self.spilled_bytes
        if self.reasons:
            attributes["recompute_reason"] = self.reasons
        return attributes
