"""Colors of everything but scores: a light and a dark theme."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a page, in ``#RRGGBB``.

    ``areas`` and ``area_lines`` are for modules, outermost first; ``ramp`` for scores from 0 to
    full; ``soft`` is for less important text; ``shortcut``, ``ceiling`` and ``branch`` are no text
    colors.
    """

    name: str
    page: str
    card: str
    sunk: str
    ink: str
    soft: str
    accent: str
    card_line: str
    empty: str
    areas: tuple[str, str, str]
    area_lines: tuple[str, str, str]
    arrow: str
    shortcut: str
    ceiling: str
    branch: str
    ramp: tuple[str, ...]

    @property
    def is_dark(self) -> bool:
        """Whether the page is dark, and the ramp brightest at full scores."""
        return self.name == "dark"


# Both ramps are evenly spaced in CAM02-UCS, so equal steps of score look equal; lightness stays
# monotone for the three anomalies of color vision.
LIGHT = Theme(
    name="light",
    page="#FFFFFF",
    card="#FFFFFF",
    sunk="#F5F7FA",
    ink="#1B2430",
    soft="#566170",
    accent="#1F5FD6",
    card_line="#B8C0CB",
    empty="#EDF0F4",
    areas=("#F5F7FA", "#ECEFF4", "#E3E8EF"),
    area_lines=("#D3D9E2", "#D3D9E2", "#D3D9E2"),
    arrow="#687385",
    shortcut="#98A3B2",
    ceiling="#DDE1E6",
    branch="#C26A00",
    ramp=(
        "#FAF6E9", "#E4E5CC", "#CDD8B1", "#B1CD9F", "#93C497", "#74BC96", "#59B29B", "#44A8A0",
        "#369DA6", "#3291AC", "#3985B0", "#4277B3", "#4B67B4", "#5456B2", "#5943AA", "#583099",
        "#511C83",
    ),
)  # fmt: skip
DARK = Theme(
    name="dark",
    page="#10151D",
    card="#0F141C",
    sunk="#0C1118",
    ink="#E7ECF3",
    soft="#A3AFBF",
    accent="#7FB0FF",
    card_line="#425063",
    empty="#1B2431",
    areas=("#151C27", "#1B2431", "#222D3C"),
    area_lines=("#2C3747", "#2C3747", "#2C3747"),
    arrow="#8D9AAD",
    shortcut="#5F6D80",
    ceiling="#303C4C",
    branch="#F0A93B",
    ramp=(
        "#201D30", "#2F2949", "#3E3366", "#4C4083", "#52519B", "#4F63A7", "#4774AB", "#4184AA",
        "#4091A6", "#489EA1", "#56AA9C", "#6BB697", "#87C193", "#A7CA93", "#C8D4A0", "#E3E2BB",
        "#FAF5DC",
    ),
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}
