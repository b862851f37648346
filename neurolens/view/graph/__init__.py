"""The annotated graph as a file.

``drawing``  `draw_graph` and what it returns
``reading``  of a trace; ``files`` that are written; ``frames`` of notebooks
``plan``     boxes of all that can be shown, and which modules are folded
``legend``   what the legend says
``shapes``   the picture as rectangles, lines and text
``svg``      those as SVG text; ``figure`` as PDF and PNG through Matplotlib
``dot``      the graph for Graphviz
"""
