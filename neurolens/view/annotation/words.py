"""How scores were made, in words, from their attributes."""

from collections.abc import Mapping
from typing import Any

METHOD_NAMES = {
    "rsa": "RSA",
    "predicted-rsa": "RSA of predicted responses",
    "reweighted-rsa": "reweighted RSA",
}


def describe_method(attrs: Mapping[str, Any]) -> str:
    """Return one line saying what was compared and how, from the attributes of scores."""
    method = str(attrs["method"])
    parts = [METHOD_NAMES.get(method, method), str(attrs["measure"])]
    if attrs.get("dissimilarity"):
        parts.append(f"{attrs['dissimilarity']} dissimilarity")
    if attrs.get("estimator"):
        parts.append(str(attrs["estimator"]))
    if attrs.get("n_stimuli"):
        parts.append(f"{attrs['n_stimuli']} stimuli")
    return " · ".join(parts)


def describe_interval(attrs: Mapping[str, Any]) -> str:
    """Return what the intervals of scores are, ``""`` where there are none.

    For example "95 % intervals (bootstrap percentile) over stimuli and subjects".
    """
    if attrs.get("interval_kind", "none") == "none":
        return ""
    over = f" over {attrs['interval_over']}" if attrs.get("interval_over") else ""
    return f"{100 * float(attrs['interval_level']):g} % intervals ({attrs['interval_kind']}){over}"
