"""Where the texts of a figure stand: which overlap, and which are cut off."""

from itertools import combinations

from matplotlib.transforms import Bbox

# Points of slack: letters have some room around them in their boxes.
SLACK = 1.0


def list_texts(figure):
    """Return the texts that are drawn, and their boxes in points from the lower left corner."""
    figure.draw_without_rendering()
    texts = [*figure.texts, figure._supxlabel, figure._suptitle]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    waiting = list(figure.axes)
    while waiting:
        axes = waiting.pop()
        waiting += [one for one in axes.child_axes if one not in waiting]
        texts += list_axes_texts(axes)
    found = []
    for text in {id(one): one for one in texts if one is not None}.values():
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
            found.append((text, Bbox(box.get_points() * 72)))
    return found


def list_axes_texts(axes):
    """Return titles, labels, ticks and other texts of axes; none of axes that are off but texts."""
    texts = list(axes.texts)
    if axes.get_legend() is not None:
        texts += axes.get_legend().get_texts()
    if not axes.axison:
        return texts
    texts += [axes.title, axes._left_title, axes._right_title]
    for axis in (axes.xaxis, axes.yaxis):
        texts.append(axis.label)
        # Those within the limits only, as they are drawn.
        texts += [tick.label1 for tick in axis._update_ticks()]
    return texts


def find_overlaps(figure):
    """Return pairs of texts whose boxes overlap."""
    pairs = combinations(list_texts(figure), 2)
    return [
        (one.get_text(), other.get_text())
        for (one, box), (other, other_box) in pairs
        if shrink(box).overlaps(shrink(other_box))
    ]


def shrink(box):
    return Bbox([[box.x0 + SLACK, box.y0 + SLACK], [box.x1 - SLACK, box.y1 - SLACK]])


def find_cut(figure):
    """Return texts that reach beyond the figure."""
    width, height = figure.get_size_inches() * 72
    return [
        text.get_text()
        for text, box in list_texts(figure)
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK
    ]
