"""The last part of the script: what is written of the results."""

from neurolens.cli.analysis.script.calls import write_value
from neurolens.cli.analysis.settings import Settings

BEST = """\
if best is not None:
    columns = [name for name, values in best.data_vars.items() if values.dims == ("region",)]
    table = best[columns].merge(scores[["ceiling_lower", "ceiling_upper"]])
    table.to_dataframe().to_csv(OUTPUT / "best_ops.csv")
"""
GRAPH = """\
if "time_bin" not in scores.dims:
    drawing = nl.draw_graph(trace, scores=scores, best=best, title=title)
    drawing.save(OUTPUT / "graph.svg")
"""
PROFILE = """\
if "time_bin" in scores.dims:
    panels = nl.view.plot_times(scores)
else:
    panels = nl.plot_profile(
        scores, best=best, graph=trace, control=control.get("random weights")
    )
panels[0].figure.savefig(OUTPUT / "profile.png", dpi=150)
"""
REPORT = """\
nl.write_report(
    OUTPUT / "report.html",
    trace=trace,
    scores=scores,
    best=best,
    control=control or None,
    rdms={rdms},
    brain={brain},
    stimuli={stimuli},
    activations={activations},
    title=title,
    facts=facts,
    notes={notes},
)
"""
PICTURED = """\
n_shown = min({n}, len(stimuli))
shown = [stimuli.ids[i * len(stimuli) // n_shown] for i in range(n_shown)]
few = stimuli.select(shown).read_rows(range(n_shown))
pictured = (nl.trace(model, few, attention={attention}), shown)
"""
# The page shows RDMs of one time.
TIMED = 'shown_rdms = None if "time_bin" in brain_rdms.dims else brain_rdms'
SIMULATED = (
    "Planted brain: simulated voxels that are noisy random readouts of known operations of a "
    "network. Nothing here says anything about a brain."
)
UNTRAINED = "Random weights: the network was never trained."


def write_results(settings: Settings, name: str) -> str:
    """Return the code that writes the results into ``OUTPUT``."""
    is_rsa = settings["compare.method"] == "rsa"
    parts = [
        "OUTPUT.mkdir(parents=True, exist_ok=True)",
        'scores.to_netcdf(OUTPUT / "scores.nc", engine="h5netcdf")',
    ]
    if settings["report.rdms"] and is_rsa:
        parts.append('rdms.to_netcdf(OUTPUT / "rdms.nc", engine="h5netcdf")')
    parts += [BEST.rstrip(), _write_title(settings)]
    if settings["report.graph"]:
        parts.append(GRAPH.rstrip())
    if settings["report.profile"]:
        parts.append(PROFILE.rstrip())
    if settings["report.page"]:
        parts.append(_write_report(settings, name, is_rsa))
    return "\n".join(parts)


def _write_title(settings: Settings) -> str:
    title = settings["analysis.title"]
    if title is not None:
        return f"title = {write_value(title)}"
    named = settings["model.name"] or settings["model.function"]
    start = write_value(f"{named.rpartition('/')[2]}: fit to ")
    return f'title = {start} + ", ".join(map(str, scores.region.values))'


def _write_report(settings: Settings, name: str, is_rsa: bool) -> str:
    """Return the code that writes the page."""
    parts = []
    if is_rsa:
        parts.append(TIMED)
    n_shown = settings["report.activations"]
    if n_shown:
        attention = write_value(settings["extract.attention"])
        parts.append(PICTURED.format(n=n_shown, attention=attention).rstrip())
    facts = {
        "date": 'f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"',
        "command": write_value(f"neurolens run {name}"),
        "weights": "weights",
        "seed": write_value(settings["analysis.seed"]),
        "operations left out": '"; ".join(scores.attrs.get("left_out", [])) or "none"',
    }
    if settings["extract.validate"]:
        facts["recording"] = "repr(verdict)"
    rows = "".join(f'\n    "{key}": {value},' for key, value in facts.items())
    parts.append(f"facts = {{{rows}\n}}")
    notes = []
    if settings["brain.dataset"] == "planted":
        notes.append(SIMULATED)
    if settings["model.weights"] == "random" and settings["model.file"] is None:
        notes.append(UNTRAINED)
    parts.append(
        REPORT.format(
            rdms="rdms" if is_rsa else "None",
            brain=_name_brain(settings, is_rsa),
            stimuli="stimuli" if settings["report.stimuli"] else "()",
            activations="pictured" if n_shown else "None",
            notes=_write_notes(notes),
        ).rstrip()
    )
    return "\n".join(parts)


def _name_brain(settings: Settings, is_rsa: bool) -> str:
    """Return the code of the brain data that the page shows."""
    if settings["brain.dataset"] is None:
        return "shown_rdms" if is_rsa else "None"
    changes = "stimuli=stimuli, rdms=shown_rdms" if is_rsa else "stimuli=stimuli"
    return f"replace(brain, {changes})"


def _write_notes(notes: list[str]) -> str:
    if not notes:
        return "()"
    rows = []
    for note in notes:
        words = note.split(" ")
        half = len(words) // 2
        first = " ".join(words[:half])
        second = " ".join(words[half:])
        rows.append(f'\n        "{first} "\n        "{second}",')
    return "[" + "".join(rows) + "\n    ]"
