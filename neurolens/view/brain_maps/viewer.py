"""A cortical surface that can be turned, alone on a page or as a part of one.

The page is one file of HTML with the mesh, the maps and the modules in the page's ``assets/brain``.
"""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.view.brain_maps.faces import SHADES
from neurolens.view.brain_maps.meshes import Mesh, compute_normals
from neurolens.view.brain_maps.places import PlacedMap, Surface, place_on_surface
from neurolens.view.brain_maps.scales import Scale, build_scale
from neurolens.view.brain_maps.values import choose_values
from neurolens.view.page.builder import join_modules, write_json
from neurolens.view.style import THEMES

SCHEMA = 1
# Of the page's assets.
ENTRY = "brain/viewer.js"
STYLE = "style/brain.css"
# Kinds of maps that op= chooses for.
OF_ONE_OP = ("score", "share")
# Millimeters of a unit of coordinates.
STEP = 0.01
MOST_CODES = 65534
# Millimeters between hemispheres that would overlap.
GAP = 4.0
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: {scheme}; }}
body {{ margin: 16px; color: #1B2430; background: #FFFFFF; }}
body.dark {{ color: #E7ECF3; background: #10151D; }}
{css}</style></head><body>
<main id="brain"></main>
<script type="application/json" id="brain-data">{data}</script>
<script>
"use strict";
{script}
(() => {{
const {{ mountBrainViewer }} = in_brain_viewer;
const brain = JSON.parse(document.getElementById("brain-data").textContent);
const asked = {theme};
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (asked === "auto" ? system.matches : asked === "dark");
document.body.classList.toggle("dark", isDark());
const viewer = mountBrainViewer(document.getElementById("brain"), brain, isDark());
system.addEventListener("change", () => {{
  document.body.classList.toggle("dark", isDark());
  viewer.setDark(isDark());
}});
document.documentElement.dataset.ready = "true";
}})();
</script></body></html>
"""


class SurfaceView:
    """A surface that can be turned; shown by a notebook, or saved as a page.

    Attributes
    ----------
    content : dict
        What the page's script draws: mesh and maps, as JSON.
    """

    def __init__(self, content: dict[str, Any], theme: str) -> None:
        self.content = content
        self._theme = theme

    def __repr__(self) -> str:
        names = ", ".join(one["name"] for one in self.content["maps"])
        return f"<SurfaceView of {names[:80]}; .save('brain.html')>"

    def write_page(self) -> str:
        """Return the page as HTML that needs nothing else."""
        return PAGE.format(
            title=html.escape(self.content["maps"][0]["name"]),
            scheme="light dark" if self._theme == "auto" else self._theme,
            css=(files("neurolens.view.page") / "assets" / STYLE).read_text("utf-8"),
            data=write_json(self.content),
            script=join_modules(ENTRY),
            theme=json.dumps(self._theme),
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to a file ``.html``, and return its path."""
        path = Path(path)
        if path.suffix not in (".html", ".htm"):
            raise InputError(
                f"a page is written as .html, got {path.name!r}.", anchor="unknown-format"
            )
        path.write_text(self.write_page(), encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        page = html.escape(self.write_page())
        return (
            f'<iframe srcdoc="{page}" title="brain" loading="lazy" '
            'style="width:100%;height:600px;border:0"></iframe>'
        )


def view_surface(
    data: xr.Dataset | xr.DataArray | Mapping[str, xr.Dataset | xr.DataArray],
    *,
    like: xr.DataArray,
    show: str | Sequence[str] = "score",
    op: str | None = None,
    alpha: float | None = 0.05,
    where: xr.DataArray | None = None,
    limits: Sequence[float] | None = None,
    space: Any = None,
    theme: str = "auto",
) -> SurfaceView:
    """Return the inflated cortical surface with maps that the reader turns and chooses from.

    >>> view_surface(scores, like=responses, show=["score", "best op"])  # doctest: +SKIP

    Parameters
    ----------
    data : Dataset, DataArray, or mapping of them
        As for `plot_surface`; of a mapping the keys name the maps.
    like, op, alpha, where, limits, space
        As for `plot_surface`.
    show : str or sequence of str
        One or more of "score", "share", "best op", "depth".
    theme : {"auto", "light", "dark"}
        "auto" follows the reader's system.

    Returns
    -------
    SurfaceView
        ``.save("brain.html")`` writes one file that needs no network; a notebook shows it.

    Raises
    ------
    InputError, LabelError, UnknownNameError, DataError, MissingToolError
        As `plot_surface`.

    Notes
    -----
    About 350 kB for the two hemispheres of fsaverage5 and 55 kB for each map. Drawn by the
    processor, so that it needs no WebGL. Numbers are rounded to 1/65,534 of their range.
    """
    if theme not in (*THEMES, "auto"):
        raise InputError(f"theme must be one of auto, {', '.join(THEMES)}, got {theme!r}.")
    kinds = [show] if isinstance(show, str) else list(show)
    sources = {"": data} if isinstance(data, xr.Dataset | xr.DataArray) else _read_sources(data)
    if not kinds or not sources:
        raise InputError("there is no map to show: show= or data is empty. Name at least one.")
    surfaces = {}
    for name, one in sources.items():
        is_scores = isinstance(one, xr.Dataset)
        for kind in kinds if is_scores else ["score"]:
            its_op = op if is_scores and kind in OF_ONE_OP else None
            shown = choose_values(one, show=kind, op=its_op, alpha=alpha, where=where)
            words = kind if is_scores else shown.label
            title = _name_map(name, words, is_only=not is_scores or len(kinds) == 1)
            surfaces[title] = place_on_surface(shown, like, space)
    return SurfaceView(build_content(surfaces, limits), theme)


def _name_map(name: str, words: str, *, is_only: bool) -> str:
    """Return the title of a map: its name, and what it shows where there are several of it."""
    if not name:
        return words
    return name if is_only else f"{name} · {words}"


def _read_sources(data: Any) -> dict[str, Any]:
    """Return maps by name, or raise InputError for anything but a mapping of them."""
    if not isinstance(data, Mapping):
        raise InputError(
            "data must be scores, a DataArray, or a mapping of names to them, got "
            f"{type(data).__name__}."
        )
    return {str(name): one for name, one in data.items()}


def build_content(surfaces: Mapping[str, Surface], limits: Any = None) -> dict[str, Any]:
    """Return mesh and maps as the viewer's JSON; all maps are on one mesh."""
    meshes = _part_meshes(next(iter(surfaces.values())).meshes)
    faces: list[str] = []
    halves = []
    for side, mesh in meshes.items():
        wide = len(mesh.vertices) > 2**16
        outward = mesh.faces if _is_outward(mesh) else mesh.faces[:, ::-1]
        encoded = _encode(outward, "<u4" if wide else "<u2")
        if encoded not in faces:
            faces.append(encoded)
        half: dict[str, Any] = {
            "side": side,
            "vertices": _encode(np.rint(mesh.vertices / STEP), "<i2"),
            "faces": faces.index(encoded),
            "wide": wide,
        }
        if mesh.sulci is not None:
            half["sulci"] = base64.b64encode(np.packbits(mesh.sulci > 0).tobytes()).decode()
        halves.append(half)
    points = np.concatenate([mesh.vertices for mesh in meshes.values()])
    centers = {side: _find_center(mesh) for side, mesh in meshes.items()}
    largest = [np.linalg.norm(m.vertices - centers[s], axis=1).max() for s, m in meshes.items()]
    return {
        "schema": SCHEMA,
        "step": STEP,
        "shades": SHADES,
        "reach": [float(np.linalg.norm(points, axis=1).max()), float(max(largest))],
        "centers": {side: center.tolist() for side, center in centers.items()},
        "faces": faces,
        "hemispheres": halves,
        "maps": [_encode_map(name, one.map, limits) for name, one in surfaces.items()],
    }


def _part_meshes(meshes: Mapping[str, Mesh]) -> dict[str, Mesh]:
    """Return meshes around the origin, apart from each other."""
    if len(meshes) == 2:
        overlap = meshes["left"].vertices[:, 0].max() - meshes["right"].vertices[:, 0].min() + GAP
        shift = {"left": -max(overlap, 0) / 2, "right": max(overlap, 0) / 2}
        meshes = {
            side: mesh._replace(vertices=mesh.vertices + np.array([shift[side], 0, 0]))
            for side, mesh in meshes.items()
        }
    points = np.concatenate([mesh.vertices for mesh in meshes.values()])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return {side: mesh._replace(vertices=mesh.vertices - middle) for side, mesh in meshes.items()}


def _find_center(mesh: Mesh) -> np.ndarray:
    return (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2


def _is_outward(mesh: Mesh) -> bool:
    """Return whether the corners of faces go around counterclockwise, seen from outside."""
    corners = mesh.vertices[mesh.faces[:1]]
    normal = np.cross(corners[0, 1] - corners[0, 0], corners[0, 2] - corners[0, 0])
    return bool(normal @ compute_normals(mesh)[0] >= 0)


def _encode(values: np.ndarray, kind: str) -> str:
    """Return numbers as base64, little-endian."""
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _encode_map(name: str, placed: PlacedMap, limits: Any) -> dict[str, Any]:
    """Return a map with its colors in both themes."""
    scales = {key: build_scale(placed, theme, limits) for key, theme in THEMES.items()}
    scale = scales["light"]
    known = np.concatenate([one[np.isfinite(one)] for one in placed.values.values()])
    least = float(known.min())
    most = float(known.max())
    return {
        "name": name,
        "label": placed.label,
        "notes": placed.notes,
        "low": scale.low,
        "high": scale.high,
        "least": least,
        "most": most,
        "names": placed.names,
        "ramps": {key: _write_hex(one.ramp) for key, one in scales.items()},
        "ticks": _place_ticks(scale),
        "codes": {
            side: _encode(_code_values(values, placed, least, most), "<u2")
            for side, values in placed.values.items()
        },
    }


def _code_values(values: np.ndarray, placed: PlacedMap, least: float, most: float) -> np.ndarray:
    """Return whole numbers: 0 where there is no value, else from 1 on."""
    known = np.isfinite(values)
    codes = np.zeros(len(values), dtype=int)
    if placed.names:
        if len(placed.names) > MOST_CODES:
            raise InputError(f"a map holds up to {MOST_CODES} names, got {len(placed.names)}.")
        codes[known] = values[known].astype(int)
        return codes
    shares = (values[known] - least) / (most - least) if most > least else np.zeros(known.sum())
    codes[known] = 1 + np.rint(shares * MOST_CODES).astype(int)
    return codes


def _place_ticks(scale: Scale) -> list[list]:
    """Return ticks as shares of the bar's height, and their text."""
    places, texts = scale.list_ticks()
    if scale.names:
        shares = [(place - 0.5) / len(scale.names) for place in places]
    else:
        shares = [(place - scale.low) / (scale.high - scale.low) for place in places]
    return [[round(share, 5), text] for share, text in zip(shares, texts, strict=True)]


def _write_hex(ramp: np.ndarray) -> list[str]:
    levels = np.rint(255 * ramp).astype(int).tolist()
    return ["#{:02X}{:02X}{:02X}".format(*one) for one in levels]
