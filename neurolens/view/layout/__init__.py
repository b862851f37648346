"""Where everything stands: columns of cards in boxes, and arrows between them.

``records`` what is placed and what comes out; ``scene`` lays out a graph for a frame; ``choice``
which modules are folded at first; ``text`` widths of text. Below these, from the first step on:
``columns`` where to cut, ``tree`` what is visible, ``lanes`` heights and lanes in a box,
``channels`` where arrows can run, ``routes`` arrows in a column, ``wires`` between columns,
``tracks`` lines side by side, ``widths`` places of lanes, ``rows`` turns at one height.
docs/layout.md specifies all of it.
"""
