"""NeuroLens: which operation inside a network represents stimuli the way a brain region does.

Its parts, in the order in which an analysis uses them:

``stimuli``    what was shown, by id
``models``     models of the field's libraries by name, with their preprocessing
``brain``      brain responses and published RDMs from files, and maps of results as images
``datasets``   brain data with their stimuli, fetched and checked
``extract``    every operation of a model: one pass (`trace`, `validate`) or a whole set
``compare``    RDMs, alignments, encoding: scores with noise ceilings and intervals
``scores``     the form of scores, in which every method returns them
``view``       the annotated graph, figures, brain maps, and exports
``report``     the results of a run on one page
``cli``        the ``neurolens`` command, and whole analyses that it runs, such as the demo
``labels``     names of dimensions, matching by id, `align_stimuli`; ``errors`` what can be
               raised; ``support`` tasks on dask workers, files of traces and encoders, and
               tables for notebooks

`extract` and `compare` never import each other: they exchange labelled xarray objects. What is used
most is here; the rest is in the rooms, as in ``neurolens.compare.fit_banded``. ``import neurolens``
alone takes no time: the rooms are there and empty, and a name is imported when it is first used,
from where ``__init__.pyi`` says.
"""

import lazy_loader

from neurolens import brain as brain
from neurolens import compare as compare
from neurolens import datasets as datasets
from neurolens import extract as extract
from neurolens import labels as labels
from neurolens import models as models
from neurolens import report as report
from neurolens import scores as scores
from neurolens import stimuli as stimuli
from neurolens import view as view

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
