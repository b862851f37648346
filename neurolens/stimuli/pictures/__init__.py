"""Pictures as stimuli.

``display`` shows them in RGB, ``levels`` those of more than 8 bits, ``files`` opens their files,
and ``images`` holds the usual transform.
"""
