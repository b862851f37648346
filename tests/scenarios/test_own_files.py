"""From files on disk to the annotated graph and a map of scores, on a slice of real fMRI."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

import neurolens as nl

nibabel = pytest.importorskip("nibabel", reason="needs the extra 'brain'")
pytest.importorskip("nilearn", reason="needs the extra 'glm'")

T_R = 2.5
MIRROR = os.environ.get("NEUROLENS_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="needs NEUROLENS_MIRROR with haxby2001_slice")


def write_runs(source, folder):
    """Write what a scanner would: a series and a table of events for each run, and a mask."""
    bold = nibabel.load(source / "bold.nii.gz")
    series = np.asarray(bold.dataobj)[..., :]
    table = pd.read_csv(source / "attributes_literal.txt", sep=r"\s+", names=["category", "run"])
    for run, rows in table.groupby("run").groups.items():
        stem = folder / f"sub-1_task-objects_run-{int(run) + 1:02d}"
        image = nibabel.Nifti1Image(series[..., rows], bold.affine)
        image.header.set_zooms((*bold.header.get_zooms()[:3], T_R))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, f"{stem}_bold.nii.gz")
        list_blocks(table.category[rows].tolist()).to_csv(
            f"{stem}_events.tsv", sep="\t", index=False
        )
    nibabel.save(nibabel.load(source / "mask.nii.gz"), folder / "mask.nii.gz")
    return sorted(set(table.category) - {"rest"})


def list_blocks(categories):
    """Return onset, duration and trial_type of each block of volumes of one category."""
    blocks = []
    for volume, category in enumerate(categories):
        if category == "rest":
            continue
        if volume and categories[volume - 1] == category:
            blocks[-1]["duration"] += T_R
        else:
            blocks.append({"onset": volume * T_R, "duration": T_R, "trial_type": category})
    return pd.DataFrame(blocks)


def draw_stand_ins(categories, folder, rng):
    """Draw a picture for each category: the pictures that were shown are not published here."""
    folder.mkdir()
    for category in categories:
        picture = Image.new("RGB", (120, 120), tuple(int(k) for k in rng.integers(60, 200, 3)))
        pen = ImageDraw.Draw(picture)
        for _ in range(6):
            corners = np.sort(rng.integers(0, 120, (2, 2)), axis=0)
            pen.ellipse(
                corners.ravel().tolist(), fill=tuple(int(k) for k in rng.integers(0, 256, 3))
            )
        picture.save(folder / f"{category}.png")


@pytest.mark.slow
@needs_mirror
def test_eight_lines_lead_from_files_to_the_graph_and_the_map(tmp_path, rng):
    categories = write_runs(Path(MIRROR) / "haxby2001_slice", tmp_path)
    draw_stand_ins(categories, tmp_path / "pictures", rng)
    weights = Path(MIRROR) / "weights" / "squeezenet1_0.pth"
    bold = sorted(tmp_path.glob("*_bold.nii.gz"))
    events = sorted(tmp_path.glob("*_events.tsv"))
    region = {"posterior": tmp_path / "mask.nii.gz"}

    model = nl.load_model("torchvision/squeezenet1_0", weights=weights)
    stimuli = nl.load_stimuli(tmp_path / "pictures", model=model)
    responses = nl.brain.estimate_responses(bold, events=events, regions=region, per="run")
    grams = nl.extract_grams(model, stimuli, quiet=True)
    scores = nl.compare_rdms(nl.compute_rdms(grams), nl.compute_rdms(responses))
    graph = nl.draw_graph(nl.trace(model, stimuli[stimuli.ids[0]][None]), scores=scores)
    fit = nl.fit_encoding(grams, responses, cv=2, n_splits=0)
    path = nl.brain.write_map(fit["r"], tmp_path / "r.nii.gz", like=responses)

    assert responses.sizes == {"presentation": 96, "neuroid": 530}
    assert set(responses.stimulus_id.values) == set(stimuli.ids)
    assert decode_runs(responses) > 0.6  # chance is .125
    assert scores.score.notnull().all()
    assert "features.2/max_pool2d" in graph.save(tmp_path / "graph.svg").read_text()
    image = nibabel.load(path)
    assert np.allclose(image.affine, nibabel.load(tmp_path / "mask.nii.gz").affine)
    again = nl.brain.read_map(path, like=responses)
    assert np.array_equal(again.values, fit["r"].values.astype(np.float32), equal_nan=True)


def decode_runs(responses):
    """Return how often a linear classifier tells the category of blocks of a run it did not see."""
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    classifier = make_pipeline(StandardScaler(), LinearSVC(C=0.001))
    categories = responses.stimulus_id.values.astype(str)
    runs = LeaveOneGroupOut().split(responses.values, groups=responses.run.values)
    return cross_val_score(classifier, responses.values, categories, cv=runs).mean()
