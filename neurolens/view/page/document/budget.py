"""How large parts of the document may be, so that a page can be mailed and opens at once."""

# Characters: the page stays under 600 kB with 92 stimuli.
RDM_CHARACTERS = 215_000
ACTIVATION_CHARACTERS = 26_000
# Numbers of single subjects, four to eight characters each.
MOST_SUBJECT_SCORES = 8_000
# Stimuli with a small picture.
MOST_TILES = 400
