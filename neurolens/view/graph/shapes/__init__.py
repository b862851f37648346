"""The picture as shapes, free of file formats.

``records`` rectangles, lines, text; ``cards``, ``legend`` and ``picture`` make them.
"""
