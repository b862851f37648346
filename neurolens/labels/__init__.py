"""Names of dimensions, and matching of what has them.

``names``        the names, and names in messages
``matching``     exact matching by label, never by position or inner join
``differences``  ids that would be the same if they were written alike
``subjects``     presentations of several subjects, which are not averaged
``alignment``    any two of stimuli, responses, RDMs and results, selected to the same stimuli
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
