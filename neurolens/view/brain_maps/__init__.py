"""Maps of scores on the brain: surfaces, glass brain, slices, and a surface that can be turned.

``values`` chooses what of scores is shown, ``places`` puts it on vertices or into a volume,
``meshes`` holds surfaces, ``scales`` colors, ``faces`` draws a surface, ``captions`` words and the
color bar; ``surfaces`` and ``volumes`` are the figures, ``viewer`` the surface in a page.
"""
