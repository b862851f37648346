"""An analysis as a plain Python script with public names, which is also what is run.

The script is made of sections, so that a run can look at the data before it computes. It is the
only place where the steps of an analysis stand: what `run_analysis` does and what it writes down
cannot differ.
"""

from typing import Any, NamedTuple

from neurolens.cli.analysis.checks import is_weights_file
from neurolens.cli.analysis.keys import RANDOM
from neurolens.cli.analysis.script.calls import (
    Code,
    drop_missing,
    write_call,
    write_paths,
    write_value,
)
from neurolens.cli.analysis.script.results import write_results
from neurolens.cli.analysis.settings import Settings, hide_folders, hide_model
from neurolens.datasets import describe_dataset

# Suffix of files of NumPy.
ARRAY = ".npy"
CONSTANTS = """\
FOLDER = Path(".")  # of the data: run this in the folder of {name}
OUTPUT = Path("from_python")
QUIET = not sys.stderr.isatty()
"""
# Of operations without scores, with reasons.
LEFT_OUT = ["    if left_out:", '        compared.attrs["left_out"] = left_out']


class Section(NamedTuple):
    """A part of the script: its name, what it does, and its code."""

    name: str
    title: str
    code: str


def write_sections(settings: Settings, name: str) -> list[Section]:
    """Return the sections of the script of an analysis.

    Parameters
    ----------
    settings : Settings
        That were checked.
    name : str
        Of the file of the analysis.
    """
    computing = [
        Section("model", "The model", write_model(settings)),
        Section("data", "Stimuli and brain data", write_data(settings)),
        Section("record", "One pass, recorded", write_recording(settings)),
        Section("scores", "Every operation against every region", write_scores(settings)),
        Section("results", "What is written", write_results(settings, name)),
    ]
    code = "\n".join(section.code for section in computing)
    return [
        Section("imports", "", write_imports(code)),
        Section("constants", "", CONSTANTS.format(name=name_plainly(name))),
        *computing,
    ]


def write_imports(code: str) -> str:
    """Return the imports that some code needs."""
    lines = ["import sys", "from pathlib import Path"]
    for module in ("datetime", "runpy"):
        if f"{module}." in code:
            lines.append(f"import {module}")
    if "replace(" in code:
        lines.append("from dataclasses import replace")
    lines.sort(key=lambda line: (line.startswith("from"), line))
    packages = ["import neurolens as nl"]
    libraries = {"np.": "import numpy as np", "torch.": "import torch"}
    used = [line for prefix, line in libraries.items() if prefix in code]
    if used:
        packages.insert(0, "\n".join(used) + "\n")
    return "\n".join([*lines, "", *packages])


def join_sections(sections: list[Section], name: str) -> str:
    """Return the text of the script."""
    parts = [f'"""The analysis of {name_plainly(name)}, as NeuroLens ran it."""\n']
    for section in sections:
        heading = f"# {section.title}\n" if section.title else ""
        if section.code.startswith("def "):
            heading += "\n\n"
        parts.append(heading + section.code.rstrip() + "\n")
    return "\n".join(parts)


def name_plainly(name: str) -> str:
    """Return the name of a file without what could end a comment or a text of Python."""
    return "".join(letter if letter.isalnum() or letter in "._- " else "_" for letter in name)


def write_model(settings: Settings) -> str:
    """Return the code that makes ``loaded``, ``model`` and ``weights``."""
    seed = settings["analysis.seed"]
    if settings["model.file"] is not None:
        path = write_paths(settings["model.file"]).text
        path = path if path.startswith("Path(") else f"({path})"
        function = write_value(settings["model.function"])
        named = f"of {hide_folders(settings['model.file'])}"
        lines = [
            f"own = {path}.resolve()",
            "sys.path.insert(0, str(own.parent))  # of modules beside it",
            "with torch.random.fork_rng(devices=[]):",
            f"    torch.manual_seed({seed})  # of weights that it draws",
            f"    made = runpy.run_path(str(own))[{function}]()",
            "if not isinstance(made, nl.LoadedModel):",
            "    made = nl.LoadedModel(made, None, None)",
            "loaded = made",
            "model = loaded.model.eval()",
            f"weights = {write_value(named)}",
        ]
        return "\n".join(lines)
    weights = settings["model.weights"]
    value: Any = weights
    if weights == RANDOM:
        value = Code("None")
    elif is_weights_file(weights):
        value = write_paths(weights)
    arguments = drop_missing(
        {
            "weights": value,
            "rng": seed,
            "part": settings["model.part"],
            "trust_code": settings["model.trust_code"] or None,
        }
    )
    arguments |= settings["model.options"] or {}
    named = "loaded.identity.weights"
    if weights != RANDOM and is_weights_file(weights):
        named = write_value(weights.rpartition("/")[2])
    elif hide_model(settings["model.name"]) != settings["model.name"]:
        named = write_value(hide_model(settings["model.name"]))
    return "\n".join(
        [
            write_call("loaded", "nl.load_model", [settings["model.name"]], arguments),
            "model = loaded.model",
            f"weights = {named}",
        ]
    )


def write_data(settings: Settings) -> str:
    """Return the code that makes ``stimuli`` and ``brain_rdms`` or ``responses``."""
    lines = []
    is_rsa = settings["compare.method"] == "rsa"
    if settings["brain.dataset"] is not None:
        lines.append(_write_dataset(settings))
    lines.append(_write_stimuli(settings))
    has_rdms = uses_rdms(settings)
    data = "brain_rdms" if has_rdms else "responses"
    lines += _write_brain(settings, data)
    lines.append(
        write_call(
            f"stimuli, {data}, _",
            "nl.align_stimuli",
            [Code("stimuli"), Code(data)],
            {"join": settings["brain.join"], "names": Code('("stimuli", "brain")')},
        )
    )
    if is_rsa and not has_rdms:
        arguments = {
            "metric": settings["compare.brain_metric"] or settings["compare.metric"],
            "runs": settings["compare.runs"],
            "noise": settings["compare.noise"],
            "quiet": Code("QUIET"),
        }
        lines.append(
            write_call(
                "brain_rdms", "nl.compute_rdms", [Code("responses")], drop_missing(arguments)
            )
        )
    return "\n".join(lines)


def uses_rdms(settings: Settings) -> bool:
    """Return whether the brain data are RDMs, and not responses."""
    if settings["compare.method"] != "rsa" or settings["brain.responses"] is not None:
        return False
    if settings["brain.rdms"] is not None:
        return True
    holds = describe_dataset(settings["brain.dataset"])["holds"]
    is_asked = settings["compare.brain_metric"] is not None
    return "rdms" in holds and not (is_asked and "responses" in holds)


def _write_dataset(settings: Settings) -> str:
    arguments: dict[str, Any] = drop_missing(
        {
            "subjects": settings["brain.subjects"],
            "regions": settings["brain.regions"] if has_choice(settings) else None,
            "folder": write_paths(settings["brain.folder"]),
            "accept_terms": settings["brain.accept_terms"] or None,
            "quiet": Code("QUIET"),
        }
    )
    arguments |= settings["brain.options"] or {}
    return write_call("brain", "nl.load_dataset", [settings["brain.dataset"]], arguments)


def has_choice(settings: Settings) -> bool:
    """Return whether the data set loads the regions that are asked for, and no others."""
    key = settings["brain.dataset"]
    return key is not None and bool(describe_dataset(key).get("regions"))


def _write_stimuli(settings: Settings) -> str:
    is_trained = settings["stimuli.preprocessing"] == "model"
    source = settings["stimuli.source"]
    if source is None:
        if not is_trained:
            return "stimuli = brain.stimuli"
        return (
            "stimuli = brain.stimuli\n"
            "if loaded.transform is not None:\n"
            "    stimuli = stimuli.use_transform(loaded.transform)"
        )
    names = ("ids", "kind", "value_range", "background", "layout")
    arguments: dict[str, Any] = {name: settings[f"stimuli.{name}"] for name in names}
    for name in ("value_range", "background"):
        if arguments[name] is not None:
            arguments[name] = Code(repr(tuple(arguments[name])))
    trained = {"model": Code("loaded")} if is_trained else {}
    value = write_paths(source)
    if source.endswith(ARRAY):
        value = Code(f'np.load({value.text}, mmap_mode="r")')
    return write_call("stimuli", "nl.load_stimuli", [value], trained | drop_missing(arguments))


def _write_brain(settings: Settings, data: str) -> list[str]:
    """Return the lines that make ``brain_rdms`` or ``responses``, with the regions chosen."""
    if settings["brain.dataset"] is not None:
        lines = [f"{data} = brain.{'rdms' if data == 'brain_rdms' else 'responses'}"]
    elif settings["brain.rdms"] is not None:
        lines = [_write_rdms(settings)]
    else:
        lines = [_write_responses(settings)]
    regions = settings["brain.regions"]
    if regions is None or has_choice(settings):
        return lines
    names = write_value([regions] if isinstance(regions, str) else regions)
    if data == "brain_rdms":
        chosen = f"brain_rdms.sel(region={names}).dropna('subject', how='all')"
        return [*lines, f"brain_rdms = {chosen}"]
    return [*lines, f"responses = nl.brain.select_regions(responses, {names})"]


def _write_rdms(settings: Settings) -> str:
    ids = settings["brain.rdm_ids"]
    arguments = {
        "ids": [ids] if isinstance(ids, str) else ids,
        "variable": settings["brain.variable"],
        "subjects": settings["brain.subject_names"],
        "regions": settings["brain.region_names"],
        "pairs": settings["brain.pairs"],
    }
    source = write_paths(settings["brain.rdms"])
    return write_call("brain_rdms", "nl.brain.read_rdms", [source], drop_missing(arguments))


def _write_responses(settings: Settings) -> str:
    atlas = settings["brain.atlas"]
    regions = write_paths(settings["brain.masks"])
    if atlas is not None:
        regions = write_paths(atlas)
        if settings["brain.labels"] is not None:
            labels = write_paths(settings["brain.labels"])
            regions = Code(f"({regions.text}, {labels.text})")
    dims = settings["brain.dims"]
    arguments = {
        "events": write_paths(settings["brain.events"]),
        "mask": write_paths(settings["brain.mask"]),
        "regions": regions,
        "subject": settings["brain.subject"],
        "variable": settings["brain.variable"],
        "dims": [dims] if isinstance(dims, str) else dims,
    }
    source = write_paths(settings["brain.responses"])
    return write_call("responses", "nl.read_responses", [source], drop_missing(arguments))


def write_recording(settings: Settings) -> str:
    """Return the code that makes ``trace`` and ``verdict``."""
    attention = {"attention": settings["extract.attention"]}
    lines = [
        "first = stimuli.read_rows([0])",
        write_call("trace", "nl.trace", [Code("model"), Code("first")], attention),
    ]
    if settings["extract.validate"]:
        lines.append("verdict = nl.validate(model, first)")
    return "\n".join(lines)


def write_scores(settings: Settings) -> str:
    """Return the code that makes ``rdms``, ``scores``, ``control`` and ``best``."""
    is_rsa = settings["compare.method"] == "rsa"
    body = [*_write_extraction(settings)]
    body += _write_rsa(settings) if is_rsa else _write_encoding(settings)
    lines = []
    if settings["compare.ceiling"] and not is_rsa:
        lines += ["ceiling = nl.compare.compute_ncsnr(responses)", "", ""]
    lines += ["def compute_scores(network):", *body, "", ""]
    target = "rdms, scores" if is_rsa else "scores"
    lines.append(f"{target} = compute_scores(model)")
    lines.append("control = {}")
    if settings["control.random_weights"]:
        # A model of one's own may have drawn its weights from the seed itself.
        seed = settings["analysis.seed"] + (settings["model.file"] is not None)
        taken = "[1]" if is_rsa else ""
        lines += [
            f"untrained = nl.randomize_weights(model, rng={seed})",
            f"random_scores = compute_scores(untrained){taken}",
            'control["random weights"] = random_scores.assign_attrs(label="random weights")',
        ]
    lines += [
        "best = None",
        'if "split_score" in scores and "time_bin" not in scores.dims:',
        "    best = nl.assign_regions(scores, control=control)",
    ]
    return "\n".join(lines)


def _write_extraction(settings: Settings) -> list[str]:
    """Return the lines that make ``features`` of a network."""
    reducer = settings["extract.reducer"]
    names = ("ops", "memory", "batch_size", "device", "workers", "attention", "n_samples")
    arguments: dict[str, Any] = {name: settings[f"extract.{name}"] for name in names}
    arguments["batch_dependent"] = settings["extract.batch_dependent"] or None
    arguments |= {"reducer": reducer, "rng": settings["analysis.seed"], "quiet": Code("QUIET")}
    function = "nl.extract_grams" if reducer is None else "nl.extract_activations"
    values = [Code("network"), Code("stimuli")]
    return [
        write_call("features", function, values, drop_missing(arguments), indent=4),
        '    left_out = list(features.attrs.get("skipped_ops", []))',
    ]


def _write_rsa(settings: Settings) -> list[str]:
    """Return the lines that compare the RDMs of ``features`` with those of the brain."""
    lines = []
    metric = settings["compare.metric"]
    if settings["extract.reducer"] is None and metric == "correlation":
        lines.append("    # A single number for a stimulus has no correlation.")
        lines.append("    single = (features.n_features <= 1).values")
        lines.append(
            '    left_out += [f"{op}: a single number" for op in features.op.values[single]]'
        )
        lines.append("    features = features.isel(op=~single)")
    lines.append(f"    rdms = nl.compute_rdms(features, metric={write_value(metric)}, quiet=QUIET)")
    names = ("comparator", "by", "interval", "n_bootstrap", "n_splits", "confidence")
    arguments = {name: settings[f"compare.{name}"] for name in names}
    arguments |= {"rng": settings["analysis.seed"], "quiet": Code("QUIET")}
    values = [Code("rdms"), Code("brain_rdms")]
    call = write_call("compared", "nl.compare_rdms", values, drop_missing(arguments), indent=4)
    return [*lines, call, *LEFT_OUT, "    return rdms, compared"]


def _write_encoding(settings: Settings) -> list[str]:
    """Return the lines that predict responses from ``features``."""
    is_ridge = settings["compare.fit"] == "ridge"
    arguments = {
        "cv": settings["compare.cv"],
        "method": settings["compare.fit"],
        "metric": settings["compare.score"],
        "aggregate": settings["compare.aggregate"],
        "alphas": settings["compare.alphas"] if is_ridge else None,
        "select": settings["compare.select"] if is_ridge else None,
        "n_components": None if is_ridge else settings["compare.n_components"],
        "ceiling": Code("ceiling") if settings["compare.ceiling"] else None,
        "n_splits": settings["compare.n_splits"],
        "n_bootstrap": settings["compare.n_bootstrap"],
        "confidence": settings["compare.confidence"],
        "rng": settings["analysis.seed"],
        "quiet": Code("QUIET"),
    }
    values = [Code("features"), Code("responses")]
    call = write_call("compared", "nl.fit_encoding", values, drop_missing(arguments), indent=4)
    return [call, *LEFT_OUT, "    return compared"]
