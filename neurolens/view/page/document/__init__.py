"""The content of the page as a JSON document (schema 2), made from results.

``building``     all parts together: `build_document`
``numbers``      how numbers and bytes are written
``graph``        ops, modules, nodes, arrows
``regions``      regions, their ceilings and best ops
``scores``       scores of the model, of controls, and of other networks; contrasts
``measure``      what scores are, in a few words
``rdms``         ranks of dissimilarities
``stimuli``      small pictures of stimuli
``activations``  mean absolute activation over channels, as maps
``summary``      three sentences computed from the numbers
``provenance``   versions, settings, hashes
``budget``       how large parts may be
"""

from neurolens.view.page.document.building import build_document

__all__ = ["build_document"]
