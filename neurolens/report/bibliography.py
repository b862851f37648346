"""References of a report as text and as BibTeX."""

from collections.abc import Mapping
from typing import Any

from neurolens.scores import REFERENCES

# Kind of entry and its fields, by key of `REFERENCES`.
ENTRIES: dict[str, tuple[str, dict[str, str]]] = {
    "allen2022": (
        "article",
        {
            "author": "Allen, Emily J. and St-Yves, Ghislain and Wu, Yihan and others",
            "title": "A massive {7T} {fMRI} dataset to bridge cognitive neuroscience and "
            "artificial intelligence",
            "journal": "Nature Neuroscience",
            "volume": "25",
            "pages": "116--126",
            "year": "2022",
            "doi": "10.1038/s41593-021-00962-x",
        },
    ),
    "conwell2024": (
        "article",
        {
            "author": "Conwell, Colin and Prince, Jacob S. and Kay, Kendrick N. and Alvarez, "
            "George A. and Konkle, Talia",
            "title": "A large-scale examination of inductive biases shaping high-level visual "
            "representation in brains and machines",
            "journal": "Nature Communications",
            "volume": "15",
            "pages": "9383",
            "year": "2024",
            "doi": "10.1038/s41467-024-53147-y",
        },
    ),
    "efron1981": (
        "article",
        {
            "author": "Efron, Bradley",
            "title": "Nonparametric estimates of standard error: The jackknife, the bootstrap and "
            "other methods",
            "journal": "Biometrika",
            "volume": "68",
            "number": "3",
            "pages": "589--599",
            "year": "1981",
            "doi": "10.1093/biomet/68.3.589",
        },
    ),
    "freedman1983": (
        "article",
        {
            "author": "Freedman, David and Lane, David",
            "title": "A nonstochastic interpretation of reported significance levels",
            "journal": "Journal of Business \\& Economic Statistics",
            "volume": "1",
            "number": "4",
            "pages": "292--298",
            "year": "1983",
            "doi": "10.1080/07350015.1983.10509354",
        },
    ),
    "kaniuth2022": (
        "article",
        {
            "author": "Kaniuth, Philipp and Hebart, Martin N.",
            "title": "Feature-reweighted representational similarity analysis: A method for "
            "improving the fit between computational models, brains, and behavior",
            "journal": "NeuroImage",
            "volume": "257",
            "pages": "119294",
            "year": "2022",
            "doi": "10.1016/j.neuroimage.2022.119294",
        },
    ),
    "kornblith2019": (
        "inproceedings",
        {
            "author": "Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, "
            "Geoffrey",
            "title": "Similarity of neural network representations revisited",
            "booktitle": "Proceedings of the 36th International Conference on Machine Learning",
            "series": "PMLR",
            "volume": "97",
            "pages": "3519--3529",
            "year": "2019",
            "doi": "10.48550/arXiv.1905.00414",
        },
    ),
    "kriegeskorte2008": (
        "article",
        {
            "author": "Kriegeskorte, Nikolaus and Mur, Marieke and Bandettini, Peter",
            "title": "Representational similarity analysis -- connecting the branches of systems "
            "neuroscience",
            "journal": "Frontiers in Systems Neuroscience",
            "volume": "2",
            "pages": "4",
            "year": "2008",
            "doi": "10.3389/neuro.06.004.2008",
        },
    ),
    "naselaris2011": (
        "article",
        {
            "author": "Naselaris, Thomas and Kay, Kendrick N. and Nishimoto, Shinji and Gallant, "
            "Jack L.",
            "title": "Encoding and decoding in {fMRI}",
            "journal": "NeuroImage",
            "volume": "56",
            "number": "2",
            "pages": "400--410",
            "year": "2011",
            "doi": "10.1016/j.neuroimage.2010.07.073",
        },
    ),
    "nili2014": (
        "article",
        {
            "author": "Nili, Hamed and Wingfield, Cai and Walther, Alexander and Su, Li and "
            "Marslen-Wilson, William and Kriegeskorte, Nikolaus",
            "title": "A toolbox for representational similarity analysis",
            "journal": "PLoS Computational Biology",
            "volume": "10",
            "number": "4",
            "pages": "e1003553",
            "year": "2014",
            "doi": "10.1371/journal.pcbi.1003553",
        },
    ),
    "schuett2023": (
        "article",
        {
            "author": 'Sch{\\"u}tt, Heiko H. and Kipnis, Alexander D. and Diedrichsen, J{\\"o}rn '
            "and Kriegeskorte, Nikolaus",
            "title": "Statistical inference on representational geometries",
            "journal": "eLife",
            "volume": "12",
            "pages": "e82566",
            "year": "2023",
            "doi": "10.7554/eLife.82566",
        },
    ),
}


def list_sources(attrs: Mapping[str, Any], card: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return text and BibTeX of what scores of these attributes rest on, and of the data's card.

    A card names its references as text only.
    """
    keys = [key for key in str(attrs.get("reference", "")).split(",") if key]
    sources = [{"text": REFERENCES[key], "bibtex": write_bibtex(key)} for key in keys]
    if card.get("citation"):
        text = " ".join(str(card["citation"]).split())
        sources.append({"text": f"Data: {text}", "bibtex": ""})
    return sources


def write_bibtex(key: str) -> str:
    """Return the BibTeX entry of a reference."""
    kind, fields = ENTRIES[key]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
