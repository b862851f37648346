"""Results of every operation over a set of stimuli."""
