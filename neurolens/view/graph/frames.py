"""The interactive page in a frame, as notebooks show it."""

from dataclasses import dataclass, field
from html import escape

from neurolens.errors import InputError

LEAST_HEIGHT = 200


@dataclass(frozen=True)
class PageFrame:
    """A page that shows itself in a notebook, ``height`` pixels high and as wide as the cell."""

    page: str = field(repr=False)
    title: str
    height: int

    def __post_init__(self) -> None:
        if isinstance(self.height, bool) or not isinstance(self.height, int):
            raise InputError(f"height must be a whole number of pixels, got {self.height!r}.")
        if self.height < LEAST_HEIGHT:
            raise InputError(f"height must be at least {LEAST_HEIGHT} pixels, got {self.height}.")

    def _repr_html_(self) -> str:
        # The page stands in the attribute: a frame with a path shows nothing in some notebooks.
        return (
            f'<iframe srcdoc="{escape(self.page)}" title="{escape(self.title)}" width="100%" '
            f'height="{self.height}" style="border:0"></iframe>'
        )
