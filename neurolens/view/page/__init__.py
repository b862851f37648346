"""The interactive page: one HTML file that holds graph, scores and everything that shows them.

``document``  the content of the page as JSON
``builder``   the file, of that and of the assets; ``plain`` what it says without scripts
"""

from neurolens.view.page.builder import build_page

__all__ = ["build_page"]
