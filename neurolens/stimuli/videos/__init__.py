"""Videos as stimuli.

``settings`` says which frames of each are taken, ``files`` finds out what a file holds and whether
it is whole, ``clips`` decodes the frames of a stimulus when it is used.
"""
