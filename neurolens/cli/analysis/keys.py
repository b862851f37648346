"""The table of all that the file of an analysis can say; validation and docs come from it."""

from collections.abc import Collection
from typing import Any, NamedTuple

from neurolens.cli.analysis import kinds
from neurolens.cli.analysis.kinds import Kind
from neurolens.compare import COMPARATORS, METRICS, NOISE_METRICS
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.models.ridge import SELECTORS
from neurolens.compare.rdms.crossnobis import NOISES
from neurolens.compare.rsa.estimates.choice import INTERVALS
from neurolens.extract import REDUCERS
from neurolens.extract.reducers.base import Reducer


class Key(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    section, name : str
    kind : Kind
    text : str
        What it means, in a line.
    default : object
        None where leaving it out means something of its own, which ``text`` says.
    choices : collection of str
        All values that there are; empty for any.
    needs : str
        Another key, ``section.name``, or a value of one, ``section.name=value``, that this key goes
        with: without it the key says nothing, which is refused.
    argument : str
        The argument that it is handed to, ``function.argument``.
    """

    section: str
    name: str
    kind: Kind
    text: str
    default: Any = None
    choices: Collection[str] = ()
    needs: str = ""
    argument: str = ""

    @property
    def address(self) -> str:
        """The section and the name, as messages have them."""
        return f"{self.section}.{self.name}"


# Section -> what it is about.
SECTIONS = {
    "analysis": "What the analysis is called, and where its results go.",
    "model": "Whose operations are compared: a model by name, or your own.",
    "stimuli": "What the model is shown. By default the stimuli of the data set.",
    "brain": "What the model is compared with: a data set, responses or RDMs.",
    "extract": "What is taken from the model.",
    "compare": "How operations and regions are compared.",
    "control": "What the scores are compared with.",
    "report": "What is written beside the scores.",
}

RANDOM = "random"
RSA = "compare.method=rsa"
ENCODING = "compare.method=encoding"
NOISY = "compare.brain_metric"
RESPONSES = "brain.responses"
DATASET = "brain.dataset"
RDMS = "brain.rdms"
SOURCE = "stimuli.source"

# Reducers that need no settings.
NAMED_REDUCERS = [name for name, one in REDUCERS.items() if isinstance(one, Reducer)]

# fmt: off
KEYS = (
    Key("analysis", "title", kinds.TEXT, "Of the report and the pictures. Default: the model and "
        "the regions."),
    Key("analysis", "seed", kinds.COUNT, "Of everything random: weights, folds, draws, halves.", 0),
    Key("analysis", "output", kinds.PATH, "The folder of the results.", "results"),

    Key("model", "name", kinds.TEXT, 'As `load_model` takes it, such as `"torchvision/resnet50"`.',
        argument="load_model.name"),
    Key("model", "weights", kinds.TEXT, '`"pretrained"`, the name of weights, `"random"`, or the '
        "path of a state dict (with a folder or a suffix .pt, .pth, .bin, .safetensors).",
        "pretrained", needs="model.name", argument="load_model.weights"),
    Key("model", "part", kinds.TEXT, "Address of a submodule that is used instead of the whole "
        "model.", needs="model.name", argument="load_model.part"),
    Key("model", "trust_code", kinds.FLAG, "Run code that comes with the model. Read it first.",
        False, needs="model.name", argument="load_model.trust_code"),
    Key("model", "options", kinds.TABLE, "For the library's own function, such as `{num_classes = "
        "10}`.", needs="model.name"),
    Key("model", "file", kinds.PATH, "A Python file with your own model, which is run. Instead of "
        "`name`."),
    Key("model", "function", kinds.TEXT, "The function in it that returns the model, or a "
        "`LoadedModel` with its preprocessing.", "make_model", needs="model.file"),

    Key("stimuli", "source", kinds.PATH, "A folder, a table of files, or an array "
        "(`.npy`, or `\"file.hdf5::name\"`), as `load_stimuli` takes them. Default: the stimuli of "
        "the data set.",
        argument="load_stimuli.source"),
    Key("stimuli", "ids", kinds.TEXT, "Column of the table with their ids.", needs=SOURCE,
        argument="load_stimuli.ids"),
    Key("stimuli", "kind", kinds.TEXT, "Default: what the suffixes of the files say.",
        choices=("picture", "sound", "video", "text"), needs=SOURCE, argument="load_stimuli.kind"),
    Key("stimuli", "value_range", kinds.RANGE, "Values of black and white in pictures of more "
        "than 8 bits.", needs=SOURCE, argument="load_stimuli.value_range"),
    Key("stimuli", "background", kinds.COLOR, "What is seen through transparent pixels. Default: "
        "white.", needs=SOURCE, argument="load_stimuli.background"),
    Key("stimuli", "layout", kinds.TEXT, 'Names of the axes of one stimulus, such as `"frame '
        'channel y x"`.', needs=SOURCE, argument="load_stimuli.layout"),
    Key("stimuli", "preprocessing", kinds.TEXT, '`"model"`: as the model was trained, where that '
        'is known. `"default"`: as `load_stimuli`, or the data set, has it.', "model",
        choices=("model", "default")),

    Key("brain", "dataset", kinds.TEXT, "A data set, as `neurolens datasets` lists them.",
        argument="load_dataset.key"),
    Key("brain", "regions", kinds.TEXTS, "Those to compare. Default: all."),
    Key("brain", "subjects", kinds.TEXTS, "Those of the data set to load. Default: as its card "
        "says.", needs=DATASET, argument="load_dataset.subjects"),
    Key("brain", "folder", kinds.PATH, "Your own copy of the data set.", needs=DATASET,
        argument="load_dataset.folder"),
    Key("brain", "accept_terms", kinds.FLAG, "Whether you accept the terms of a data set that "
        "asks for it.", False, needs=DATASET, argument="load_dataset.accept_terms"),
    Key("brain", "options", kinds.TABLE, "Of the data set, as its card says.", needs=DATASET),
    Key("brain", "responses", kinds.PATHS, "Your own responses of one subject: images, a table or "
        "an array, as `read_responses` takes them.", argument="read_responses.source"),
    Key("brain", "events", kinds.PATHS, "What each response shows: a table, or one for each image.",
        needs=RESPONSES, argument="read_responses.events"),
    Key("brain", "mask", kinds.PATH, "Voxels above 0 are used.", needs=RESPONSES,
        argument="read_responses.mask"),
    Key("brain", "atlas", kinds.PATH, "An image of whole numbers, one for each region.",
        needs=RESPONSES),
    Key("brain", "labels", kinds.PATH, "A table with a column of these numbers and one of names.",
        needs="brain.atlas"),
    Key("brain", "masks", kinds.NAMED_PATHS, "A mask for each region, such as `{V1 = "
        '"v1.nii.gz"}`. Instead of `atlas`.', needs=RESPONSES),
    Key("brain", "subject", kinds.TEXT, "Label of the subject. Default: `sub-...` in the names of "
        "the files.", needs=RESPONSES, argument="read_responses.subject"),
    Key("brain", "dims", kinds.TEXTS, 'Axes of an array, such as `["stimulus", "repetition", '
        '"neuroid"]`.', needs=RESPONSES, argument="read_responses.dims"),
    Key("brain", "rdms", kinds.PATH, "A file of RDMs, as `neurolens.brain.read_rdms` takes them.",
        argument="read_rdms.source"),
    Key("brain", "variable", kinds.TEXT, "Name of the array, in a file of responses or RDMs that "
        "holds several."),
    Key("brain", "rdm_ids", kinds.TEXTS, "Ids of the stimuli in the order of the RDMs, for a file "
        "without them.", needs=RDMS, argument="read_rdms.ids"),
    Key("brain", "region_names", kinds.TEXTS, "Region of all RDMs of the file, or of each.",
        needs=RDMS, argument="read_rdms.regions"),
    Key("brain", "subject_names", kinds.TEXTS, "Subject of all RDMs of the file, or of each.",
        needs=RDMS, argument="read_rdms.subjects"),
    Key("brain", "pairs", kinds.TEXT, "Order of pairs in vectors.", "rows", choices=("rows",
        "columns"), needs=RDMS, argument="read_rdms.pairs"),
    Key("brain", "join", kinds.TEXT, '`"exact"`: model and brain must have the same stimuli. '
        '`"inner"`: those that both have are compared, and a warning names the rest.', "exact",
        choices=("exact", "inner"), argument="align_stimuli.join"),

    Key("extract", "ops", kinds.TEXTS, '`"all"`, `"modules"`, names, module addresses or patterns.',
        "all", argument="extract_grams.ops"),
    Key("extract", "reducer", kinds.TEXTS, "Makes results smaller; several are applied in order. "
        "Default: none, and the Gram of all features is taken.", choices=NAMED_REDUCERS,
        argument="extract_activations.reducer"),
    Key("extract", "memory", kinds.SIZE, "What a pass may hold.", "4GiB",
        argument="extract_grams.memory"),
    Key("extract", "batch_size", kinds.POSITIVE, "Stimuli per pass. Default: what `memory` "
        "allows, up to 32.", argument="extract_grams.batch_size"),
    Key("extract", "device", kinds.TEXT, "Where the model runs over the stimuli, such as "
        '`"cuda"`. Default: the CPU.', argument="extract_grams.device"),
    Key("extract", "workers", kinds.COUNT, "Processes that read stimuli ahead. Default: none on a "
        "CPU.", argument="extract_grams.workers"),
    Key("extract", "batch_dependent", kinds.FLAG, "Keep results that depend on the other stimuli "
        "of the batch.", False, argument="extract_grams.batch_dependent"),
    Key("extract", "attention", kinds.TEXT, "Whether attention is one operation, or those that it "
        "stands for.", "fused", choices=("fused", "open"), argument="extract_grams.attention"),
    Key("extract", "n_samples", kinds.POSITIVE, "How often a model that draws random numbers runs "
        "on each stimulus.", 1, argument="extract_grams.n_samples"),
    Key("extract", "validate", kinds.FLAG, "Check on one stimulus that what is recorded is what "
        "the model computes.", True),

    Key("compare", "method", kinds.TEXT, "RDMs, or encoding models that predict responses.", "rsa",
        choices=("rsa", "encoding")),
    Key("compare", "metric", kinds.TEXT, "Dissimilarity of the model's RDMs.", "correlation",
        choices=list(METRICS), needs=RSA, argument="compute_rdms.metric"),
    Key("compare", "brain_metric", kinds.TEXT, "Dissimilarity of RDMs that are made from "
        "responses. Default: as `metric`.", choices=[*METRICS, *NOISE_METRICS], needs=RSA),
    Key("compare", "runs", kinds.TEXT, "Coordinate of the presentations that says which belong to "
        "one run, for crossnobis.", needs=NOISY, argument="compute_rdms.runs"),
    Key("compare", "noise", kinds.TEXT, "Noise covariance of mahalanobis and crossnobis.",
        choices=list(NOISES), needs=NOISY, argument="compute_rdms.noise"),
    Key("compare", "comparator", kinds.TEXT, "How RDMs are compared.", "rho-a",
        choices=list(COMPARATORS), needs=RSA, argument="compare_rdms.comparator"),
    Key("compare", "by", kinds.TEXT, "Coordinate that says which stimuli belong together; draws "
        "and halves are of whole groups.", needs=RSA, argument="compare_rdms.by"),
    Key("compare", "cv", kinds.FOLDS, "Number of folds, or the coordinate of groups to leave out "
        "in turn.", 5, needs=ENCODING, argument="fit_encoding.cv"),
    Key("compare", "fit", kinds.TEXT, "The encoding model.", "ridge", choices=("ridge", "pls"),
        needs=ENCODING, argument="fit_encoding.method"),
    Key("compare", "score", kinds.TEXT, "Correlation, or share of variance predicted.", "r",
        choices=SCORES, needs=ENCODING, argument="fit_encoding.metric"),
    Key("compare", "aggregate", kinds.TEXT, "How scores of neuroids become that of a region.",
        "mean", choices=("mean", "median"), needs=ENCODING, argument="fit_encoding.aggregate"),
    Key("compare", "alphas", kinds.PENALTIES, "Penalties to choose from. Default: 1e-4 to 1e5 by "
        "tens, relative to the features.", needs="compare.fit=ridge",
        argument="fit_encoding.alphas"),
    Key("compare", "select", kinds.TEXT, "How penalties are chosen.", "gcv",
        choices=list(SELECTORS), needs="compare.fit=ridge", argument="fit_encoding.select"),
    Key("compare", "n_components", kinds.POSITIVE, "Components of PLS.", 25,
        needs="compare.fit=pls", argument="fit_encoding.n_components"),
    Key("compare", "ceiling", kinds.FLAG, "Noise ceilings from repeated presentations, by "
        "`compute_ncsnr`.", False, needs=ENCODING),
    Key("compare", "n_splits", kinds.COUNT, "Random splits of the stimuli into halves, which make "
        "the choice of operations honest. Default: 20 for RSA; for encoding 5 where folds are "
        "large enough."),
    Key("compare", "interval", kinds.TEXT, "Intervals from draws that are scored, or, much faster, "
        "from the influence of each stimulus; auto: from influences where they cover as well.",
        "auto", choices=INTERVALS, needs=RSA,
        argument="compare_rdms.interval"),
    Key("compare", "n_bootstrap", kinds.DRAWS, "Draws for intervals.", 1000,
        argument="compare_rdms.n_bootstrap"),
    Key("compare", "confidence", kinds.SHARE, "Of intervals.", 0.95,
        argument="compare_rdms.confidence"),

    Key("control", "random_weights", kinds.FLAG, "Also compare the same model with random weights.",
        False),

    Key("report", "page", kinds.FLAG, "`report.html`, everything on one interactive page.", True),
    Key("report", "graph", kinds.FLAG, "`graph.svg`, the annotated graph.", True),
    Key("report", "profile", kinds.FLAG, "`profile.png`, scores along the network.", True),
    Key("report", "rdms", kinds.FLAG, "`rdms.nc`, the RDMs of all operations.", False, needs=RSA),
    Key("report", "stimuli", kinds.FLAG, "Small pictures of the stimuli inside the page: mind "
        "their terms before you share it.", True, needs="report.page=true"),
    Key("report", "activations", kinds.COUNT, "Of how many stimuli the page shows activation maps.",
        6, needs="report.page=true"),
)
# fmt: on
