"""What all plots share, from the figure to the words.

``figure``  figures and axes that a notebook displays
``panels``  axes of the user, or new ones, in the colors of a theme
``texts``   widths of text, and what fits
``legend``  legends and captions around the panels
``maps``    heat maps, their bars, and outlines
``words``   what measures are called
"""
