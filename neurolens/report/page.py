"""`write_report`: all results of a run in one file that needs no network and has no date.

The same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.errors import InputError
from neurolens.report.bibliography import list_sources
from neurolens.report.downloads import list_downloads
from neurolens.report.sections import make_brain, make_rdms, make_scores, make_stimuli
from neurolens.view.brain_maps.viewer import SurfaceView
from neurolens.view.graph.files import check_path, write_file
from neurolens.view.page.builder import build_page
from neurolens.view.page.document import build_document

# Of the data's card, in the table of provenance.
CARD_FIELDS = {"title": "data", "licence": "licence of the data", "terms": "terms of the data"}


def write_report(
    path: str | Path,
    *,
    trace: Any,
    scores: xr.Dataset,
    best: xr.Dataset | None = None,
    control: Any = None,
    rdms: xr.DataArray | None = None,
    brain: Any = None,
    stimuli: Any = None,
    activations: Any = None,
    title: str | None = None,
    facts: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    maps: SurfaceView | None = None,
) -> Path:
    """Write the results of a run into one HTML file: the interactive page, and sections below it.

    The page begins with a summary in sentences computed from the numbers. Below the graph stand
    the profile, RDMs, all scores, methods, references with BibTeX, settings, and downloads.

    Parameters
    ----------
    path : str or Path
        The file to write, ending in .html.
    trace : Trace or Graph
    scores : Dataset
        What ``compare_rdms``, ``fit_encoding`` or ``compare_grams`` returned, also with time bins.
    best : Dataset, optional
        What ``assign_regions`` returned; with ``control=`` it tests best ops against controls.
    control : Dataset, (label, Dataset), (label, Dataset, trace), a list or mapping, optional
        Scores made in the same way, of the same model with random weights, or with its trace of
        another network. Give the same labels to ``assign_regions(control={label: scores})``.
    rdms : DataArray (op, stimulus, stimulus_2), optional
        Of the model's ops.
    brain : loaded dataset or DataArray ([region, subject,] stimulus, stimulus_2), optional
        Anything with ``rdms``, ``stimuli`` or ``card`` (title, citation, licence), which are shown;
        or the RDMs alone, as ``compute_rdms`` made them from responses.
    stimuli : StimulusSet or array (stimulus, row, column[, 3]), optional
        Shown as small pictures, inside the file: mind their terms before you share it. By default
        those of ``brain``; without any, and with ``stimuli=()``, tiles have numbers.
    activations : (trace, ids), optional
        A trace of several of the stimuli as one batch, and their ids: activation maps of up to six.
    title : str, optional
    facts : mapping, optional
        Names and values for the table of settings: ``{"weights": "IMAGENET1K_V1", "command":
        "make demo"}``.
    notes : sequence of str
        Shown in a frame at the top: what a reader must know before believing a number.
    maps : SurfaceView, optional
        What ``nl.view.view_surface`` returned: the surface stands below the graph, to be turned.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        When the file cannot be written.
    InputError, LabelError
        When the parts are not what they should be, or do not match.

    Examples
    --------
    ::

        nl.write_report("report.html", trace=trace, scores=scores, best=best, rdms=rdms,
                        brain=brain, control={"random weights": random_scores})
    """
    path = check_path(path, "the report", "write_report('report.html', trace=trace, scores=scores)")
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"the report is written as .html, got {path.name!r}. Type "
            f"{path.with_suffix('.html').name!r}; a browser prints it to PDF.",
            anchor="unknown-format",
        )
    if isinstance(notes, str):
        raise InputError(
            f"notes must be a list of sentences, got one string. Write notes=[{notes!r}]."
        )
    if facts is not None and not isinstance(facts, Mapping):
        raise InputError(
            f"facts must map names to values, got {type(facts).__name__}. Write e.g. "
            "facts={'weights': 'IMAGENET1K_V1'}."
        )
    if maps is not None and not isinstance(maps, SurfaceView):
        raise InputError(
            f"maps must be what view_surface returned, got {type(maps).__name__}. Pass maps="
            "nl.view.view_surface(scores, like=responses).",
            anchor="wrong-object",
        )
    card = getattr(brain, "card", None) or {}
    document = build_document(
        trace,
        scores,
        best=best,
        control=control,
        rdms=rdms,
        brain=brain,
        stimuli=stimuli,
        activations=activations,
        title=title,
        facts=_read_card(card) | dict(facts or {}),
    )
    document["notes"] = [*map(str, notes), *document["notes"]]
    document["references"] = list_sources(scores.attrs, card)
    document["brain"] = maps.content if maps is not None else None
    document["sections"] = _make_sections(document)
    document["downloads"] = list_downloads(document)
    return write_file(path, build_page(document, title=document["title"]).encode(), "the report")


def _read_card(card: Mapping[str, Any]) -> dict[str, str]:
    facts = {}
    for key, name in CARD_FIELDS.items():
        if card.get(key):
            facts[name] = " ".join(str(card[key]).split())
    return facts


def _make_sections(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what stands between the graph and the methods."""
    blocks = {
        ("brain", "Maps on the brain"): make_brain(document),
        ("rdms", "Dissimilarities"): make_rdms(document),
        ("stimuli", "Stimuli"): make_stimuli(document),
        ("scores", "All scores"): make_scores(document),
    }
    sections = []
    for (name, title), block in blocks.items():
        if block is not None:
            sections.append({"id": name, "title": title, "blocks": [block]})
    return sections
