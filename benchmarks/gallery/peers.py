"""The same networks as TorchLens, torchview and torchvista draw them, beside ours."""

import shutil
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from gallery.pictures import shrink_png

HEIGHT = 900
GAP = 40
# Pixels of a strip, at most.
WIDE = 2200
LABEL = 40
OURS = "NeuroLens"


def draw_peers(
    model: nn.Module, inputs: torch.Tensor, ours: Path, folder: Path, name: str
) -> list[str]:
    """Save a strip of one network as each peer draws it at its defaults; nothing without peers."""
    with tempfile.TemporaryDirectory() as scratch:
        pictures = {OURS: Image.open(ours).convert("RGB")}
        for peer, draw in {
            "TorchLens": _draw_torchlens,
            "torchview": _draw_torchview,
            "torchvista": _draw_torchvista,
        }.items():
            try:
                path = draw(model, inputs, Path(scratch))
            except Exception as error:
                print(f"{name}: no picture by {peer}: {type(error).__name__}: {error}"[:300])
                continue
            pictures[peer] = Image.open(path).convert("RGB")
        if len(pictures) == 1:
            return []
        strip = _join(pictures)
    path = folder / f"{name}_peers.png"
    strip.save(path)
    shrink_png(path, width=WIDE)
    return [path.name]


def _draw_torchlens(model: nn.Module, inputs: torch.Tensor, scratch: Path) -> Path:
    import torchlens

    target = scratch / "torchlens"
    recorded = torchlens.trace(model, inputs)
    recorded.draw(vis_outpath=str(target), vis_fileformat="png", vis_save_only=True)
    return target.with_suffix(".png")


def _draw_torchview(model: nn.Module, inputs: torch.Tensor, scratch: Path) -> Path:
    import torchview

    graph = torchview.draw_graph(model, input_data=inputs, expand_nested=True)
    return Path(graph.visual_graph.render(str(scratch / "torchview"), format="png"))


def _draw_torchvista(model: nn.Module, inputs: torch.Tensor, scratch: Path) -> Path:
    import torchvista
    from playwright.sync_api import sync_playwright

    page = scratch / "torchvista.html"
    torchvista.trace_model(model, inputs, export_format="html", export_path=str(page))
    browser = shutil.which("chromium")
    target = scratch / "torchvista.png"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        window = chromium.new_page(viewport={"width": 1400, "height": HEIGHT})
        window.goto(page.as_uri())
        window.wait_for_timeout(6000)
        window.screenshot(path=target)
        chromium.close()
    return target


def _join(pictures: dict[str, Image.Image]) -> Image.Image:
    """Return pictures side by side, each as high as the strip and at least 200 pixels wide."""
    scaled = {}
    for name, picture in pictures.items():
        width = round(picture.width * HEIGHT / picture.height)
        scaled[name] = picture.resize((max(2, width), HEIGHT), Image.Resampling.LANCZOS)
    columns = [max(200, picture.width) for picture in scaled.values()]
    strip = Image.new(
        "RGB", (sum(columns) + GAP * (len(columns) + 1), HEIGHT + LABEL + GAP), "white"
    )
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(24)
    x = GAP
    for (name, picture), width in zip(scaled.items(), columns, strict=True):
        draw.text((x, 6), name, fill="black", font=font)
        strip.paste(picture, (x, LABEL))
        x += width + GAP
    return strip
