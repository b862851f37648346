"""Figures of docs/concepts/, from calls of the library and simulations with known truth.

The numbers that the pages state beside their figures go into docs/images/concepts/numbers.json,
by which tests check the pages. Run twice, it writes the same bytes.
"""

import argparse
import json
import warnings

from concept_figures.canvas import FOLDER
from concept_figures.ceilings import draw_ceilings
from concept_figures.choices import draw_choices
from concept_figures.company import draw_company
from concept_figures.operations import draw_operations
from concept_figures.passes import draw_passes
from concept_figures.products import draw_products

FIGURES = {
    "op": draw_operations,
    "pass": draw_passes,
    "gram": draw_products,
    "ceiling": draw_ceilings,
    "honest_choice": draw_choices,
    "per_stimulus": draw_company,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=FIGURES, help="draw one figure")
    options = parser.parse_args()
    # One figure is about results that depend on the batch, which is what the warning says.
    warnings.filterwarnings("ignore", message=".*depend on the other stimuli of their batch")
    path = FOLDER / "numbers.json"
    numbers = json.loads(path.read_text()) if path.is_file() else {}
    for name in [options.only] if options.only else FIGURES:
        print(f"\n{name}")
        found = FIGURES[name]()
        numbers[name] = {key: float(f"{value:.3g}") for key, value in found.items()}
        print(numbers[name])
    ordered = {name: numbers[name] for name in FIGURES if name in numbers}
    path.write_text(json.dumps(ordered, indent=1) + "\n")


if __name__ == "__main__":
    main()
