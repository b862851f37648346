"""Labelled results of every operation of a model, for stimuli.

One pass: ``tracing``, from ``sources``. A whole set: ``activations``, ``grams``, what they will
cost (``forecasting``), and a control with random weights (``controls``); ``assemblies`` turns
results into assemblies of BrainIO, ``results`` finds results again and stacks the steps of a layer.
Below them:

``capture``     records one forward pass as a stream of op events
``graph``       which ops ran and what fed them, as plain records
``validation``  checks that the recording is what the model computes
``reducers``    make results smaller
``stream``      runs a whole stimulus set through the model
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
