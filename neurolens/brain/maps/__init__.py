"""Maps of results: ``stacks`` gathers values, ``spaces`` says where, ``records`` what they are.

``volumes``, ``surfaces``, ``cifti`` and ``tables`` write each form, ``files`` puts them in place.
"""
