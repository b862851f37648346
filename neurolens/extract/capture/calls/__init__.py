"""Calls of torch functions: what they are, where they stand, how their random numbers are drawn.

``torch_calls`` describes functions, ``call_sites`` the places that call them, ``noise`` draws
random numbers for each stimulus, ``attention`` shows fused attention as its ops.
"""
