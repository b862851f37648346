"""The user's input, read into checked arrays.

``features`` of models, ``responses`` of brains, ``folds`` of stimuli, ``time_bins``; ``checks`` of
settings; ``op_groups`` divides the ops of features among workers.
"""
