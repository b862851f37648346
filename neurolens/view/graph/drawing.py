"""The annotated graph as a picture that can be saved and shows itself in a notebook."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.extract.graph.graph import Graph
from neurolens.labels import REGION
from neurolens.scores import read_scores
from neurolens.view.annotation import Annotation, annotate_ops
from neurolens.view.graph.dot.engines import render_dot
from neurolens.view.graph.dot.text import DotGraph, write_dot
from neurolens.view.graph.figure import write_figure
from neurolens.view.graph.files import check_path, write_file
from neurolens.view.graph.frames import PageFrame
from neurolens.view.graph.legend import Legend, build_legend
from neurolens.view.graph.plan import Deck, build_deck, build_plan, fold_to_fit
from neurolens.view.graph.reading import read_graph
from neurolens.view.graph.shapes.picture import build_picture
from neurolens.view.graph.shapes.records import Picture
from neurolens.view.graph.svg import write_svg
from neurolens.view.layout.records import Frame, Scene
from neurolens.view.layout.scene import lay_out
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.folding import find_visible, read_fold, unfold_matching
from neurolens.view.structure.records import Structure
from neurolens.view.style import THEMES, Theme, assign_region_colors

SUFFIXES = (".svg", ".pdf", ".png", ".gv", ".html")
LAYOUTS = ("auto", "columns", "flow")
# Shown 1400 pixels wide, of which 26 are margins, the smallest type (11) of a default picture is
# at least 7 pixels high. It is wide where that can be, else about square.
LEAST = 7 / 11
WIDE = Frame(width=1374.0, height=1000.0, least=LEAST)
SQUARE = Frame(width=1374.0, height=1400.0, least=LEAST)


@dataclass(frozen=True)
class Drawing:
    """A drawn graph: it can be saved, and shows itself in a notebook.

    Attributes
    ----------
    structure : Structure
        All that can be shown: nodes, runs of modules, edges.
    deck : Deck
        The boxes of all nodes and runs.
    folded : frozenset of str
        Keys of the runs that are drawn as one card.
    legend : Legend
    theme : Theme
    is_flow : bool
        Whether Graphviz places the boxes, from top to bottom.
    """

    structure: Structure
    deck: Deck
    folded: frozenset[str]
    legend: Legend
    theme: Theme
    is_flow: bool
    write_page: Callable[[], str] = field(repr=False)

    @cached_property
    def scene(self) -> Scene:
        """Where everything stands in columns."""
        plan = build_plan(self.structure, self.deck, self.folded)
        scene = lay_out(plan, WIDE)
        return scene if scene.width * LEAST <= WIDE.width else lay_out(plan, SQUARE)

    @cached_property
    def picture(self) -> Picture:
        """All shapes of the picture in columns."""
        boxes = [self.deck.find(item.kind, item.index) for item in self.scene.items]
        return build_picture(self.structure, self.scene, boxes, self.legend, self.theme)

    @cached_property
    def source(self) -> str:
        """The graph as DOT text, which any Graphviz can lay out; none is needed to write it."""
        colors = list(assign_region_colors(self.legend.regions, self.theme).values())
        graph = DotGraph(self.structure, self.folded, self.deck, self.legend, self.theme, colors)
        return write_dot(graph)

    @property
    def n_boxes(self) -> int:
        """The number of boxes: cards of ops, of folded modules, of inputs and the output."""
        visible = find_visible(self.structure, self.folded)
        return len(visible.nodes) + len(visible.folded)

    def render_svg(self) -> str:
        """Return the picture as SVG text that scales with its page.

        Raises
        ------
        MissingToolError
            For ``layout="flow"``, when no Graphviz is installed.
        """
        return self._svg

    @cached_property
    def _svg(self) -> str:
        if self.is_flow:
            return render_dot(self.source, "svg").decode()
        return write_svg(self.picture)

    def save(self, path: str | Path) -> Path:
        """Write the picture to ``path``, in the format its suffix names, and return the path.

        ``.svg``, ``.pdf`` and ``.png`` are the picture, ``.html`` is an interactive page, ``.gv``
        the DOT text.

        Raises
        ------
        InputError
            For another suffix.
        MissingToolError
            For ``layout="flow"``, when no Graphviz is installed; ``.gv`` never needs one.
        DataError
            When the file cannot be written.
        """
        path = check_path(path, "a drawing", ".save('graph.svg')")
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(
                f"a drawing is saved as one of {', '.join(SUFFIXES)}, got {path.name!r}. "
                f"Write for example .save({str(path.with_suffix('.svg'))!r}).",
                anchor="unknown-format",
            )
        return write_file(path, self._write(suffix), "the drawing")

    def show_page(self, height: int = 700) -> PageFrame:
        """Return the interactive page, which shows itself in a notebook.

        Parameters
        ----------
        height : int
            Of its frame, in pixels.

        Raises
        ------
        InputError
            For a height that is no whole number from 200.
        """
        return PageFrame(self.write_page(), self.legend.title, height)

    def _write(self, suffix: str) -> bytes:
        if suffix == ".gv":
            return self.source.encode()
        if suffix == ".html":
            return self.write_page().encode()
        if suffix == ".svg":
            return self.render_svg().encode()
        if self.is_flow:
            return render_dot(self.source, suffix[1:])
        return write_figure(self.picture, suffix[1:])

    def __repr__(self) -> str:
        return f"<Drawing: {self.n_boxes} boxes; .save('graph.svg') writes it>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.render_svg(), "text/plain": repr(self)}
        except (MissingToolError, DataError) as error:
            return {"text/plain": f"{self!r} Not shown: {error.message}"}


def draw_graph(
    trace: Any,
    *,
    scores: xr.Dataset | None = None,
    best: xr.Dataset | None = None,
    title: str | None = None,
    regions: str | Sequence[str] | None = None,
    fold: Any = None,
    unfold: Any = None,
    rolled: bool | None = None,
    layout: str = "auto",
    theme: str = "light",
) -> Drawing:
    """Draw the ops of a model, colored by their scores in each region.

    A cell has the color of the raw score, on one scale for all regions; the legend marks each
    region's lower noise ceiling on it. Modules that are folded show one row per region and one
    column per op. Neither Graphviz nor any other program is needed.

    Parameters
    ----------
    trace : Trace or Graph
    scores : Dataset, optional
        What ``compare_rdms`` or ``fit_encoding`` returned for this model. Ops without a score stay
        gray.
    best : Dataset, optional
        What ``assign_regions`` returned: best ops get a frame and a star with the held-out score;
        ops that cannot be told apart from the best of a region get ``≈`` and its name.
    title : str, optional
        By default the model's name. Lines after the first stand below it, in place of what the
        attributes of ``scores`` say about the method.
    regions : str or sequence of str, optional
        Those to draw, in this order; by default all. With a single one, cards have its color.
    fold : int, str, sequence of str, or callable, optional
        Which modules become one card each: a level (1 is the outermost) and all below it, so that
        one deeper than the graph has folds nothing; ``"ops"`` (none), a
        pattern or several (``"layer3"``, ``"layer?.1"``), or a function of a `Run` that returns
        True or False. By default as few as keep all type readable when the picture is 1400 pixels
        wide; modules of best ops and ties are opened first.
    unfold : str or sequence of str, optional
        Modules or ops that are shown open in any case; not a level.
    rolled : bool, optional
        Whether passes of a recurrent layer share one card; by default they do where a later pass
        reads an earlier one.
    layout : str
        ``"columns"`` cuts the chain of modules into columns, as ``"auto"`` does; ``"flow"`` leaves
        the placement to Graphviz, which must be installed.
    theme : str
        ``"light"`` or ``"dark"``; the background is opaque in both.

    Returns
    -------
    Drawing
        ``.save("graph.svg")``, also .pdf, .png, .html (interactive) and .gv; shows itself in a
        notebook.

    Raises
    ------
    InputError
        For an unknown layout, theme or level, a graph without ops, ``best`` without ``scores``, or
        scores that cannot be drawn.
    LabelError
        When ``scores`` or ``best`` name ops that the graph lacks, or ``regions``, ``fold`` or
        ``unfold`` name what is not there.
    """
    graph = read_graph(trace)
    _check_choice("layout", layout, LAYOUTS)
    _check_choice("theme", theme, tuple(THEMES))
    annotation = _read_annotation(graph, scores, best, regions)
    structure = build_structure(graph, rolled=rolled)
    costs = trace.count_costs() if hasattr(trace, "count_costs") else None
    deck = build_deck(graph, structure, annotation, costs)
    if fold is not None:
        folded = read_fold(fold, structure)
    else:
        folded = fold_to_fit(structure, deck, annotation, SQUARE)
    if unfold is not None:
        folded = unfold_matching(structure, folded, unfold)
    model = str(getattr(trace, "model_name", "") or "model")
    lines = _read_title(title) if title is not None else [model]
    visible = find_visible(structure, folded)
    boxes = [deck.nodes[i] for i in visible.nodes] + [deck.runs[i] for i in visible.folded]
    cards = [box.card for box in boxes]
    legend = build_legend(structure, annotation, cards, lines)

    def write_page() -> str:
        from neurolens.view.page.builder import build_page
        from neurolens.view.page.document import build_document

        shown = " ".join(lines[:1])
        given = [_select_regions(data, annotation) for data in (scores, best)]
        return build_page(build_document(trace, given[0], best=given[1], title=shown), title=shown)

    return Drawing(structure, deck, folded, legend, THEMES[theme], layout == "flow", write_page)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")


def _read_annotation(
    graph: Graph,
    scores: xr.Dataset | None,
    best: xr.Dataset | None,
    regions: str | Sequence[str] | None,
) -> Annotation | None:
    """Return the scores of the regions that are drawn, None without scores."""
    if scores is not None:
        scores = read_scores(scores, "draw_graph")
        return annotate_ops(scores, ops=list(graph.by_name), best=best, regions=regions)
    if best is not None:
        raise InputError(
            "best needs the scores it was chosen from: draw_graph(trace, scores=scores, "
            "best=best).",
            anchor="scores-incomplete",
        )
    if regions is not None:
        raise InputError(
            "regions chooses among those of scores, and there are none: "
            "draw_graph(trace, scores=scores, regions=...)."
        )
    return None


def _select_regions(data: xr.Dataset | None, annotation: Annotation | None) -> xr.Dataset | None:
    """Return what ``data`` holds of the regions that are drawn, in their order."""
    if data is None or annotation is None or REGION not in data.dims:
        return data
    return data.sel({REGION: list(annotation.regions)})


def _read_title(title: Any) -> list[str]:
    """Return the lines of a title."""
    if not isinstance(title, str):
        raise InputError(f"title must be text, got {type(title).__name__}.")
    return [line.strip() for line in title.splitlines()] or [""]
