"""92 photographs and published RDMs: as in independent files of the publication."""

import numpy as np
import scipy.io
from mirror import MIRROR, needs_mirror

import neurolens as nl

pytestmark = needs_mirror("kriegeskorte2008")


def test_they_are_the_published_data():
    brain = nl.load_dataset("kriegeskorte2008")
    assert len(brain.stimuli) == 92
    counts = list(brain.stimuli.metadata.category.value_counts(sort=False))
    assert counts == [12, 12, 12, 12, 23, 21]
    assert brain.regions == ["IT", "EVA", "monkey IT", "behaviour"]
    present = brain.rdms.isel(stimulus=0, stimulus_2=1).notnull().sum("subject")
    assert dict(zip(brain.regions, present.values.tolist(), strict=True)) == {
        "IT": 4,
        "EVA": 1,
        "monkey IT": 1,
        "behaviour": 16,
    }
    assert list(brain.rdms.subject.values[:4]) == ["BE", "KO", "SN", "TI"]
    # The mean over subjects is the matrix of the paper's figure 1, an independent file.
    content = scipy.io.loadmat(
        MIRROR / "kriegeskorte2008/Kriegeskorte_Neuron2008_supplementalData.mat",
        simplify_cells=True,
    )
    published = content["RDMs_mIT_hIT_fig1"][1]["RDM"]
    mean = brain.rdms.sel(region="IT").mean("subject").values[np.triu_indices(92, 1)]
    np.testing.assert_allclose(mean, published, atol=2e-7)
    # Flags of the published file agree with the groups, which were assigned by position.
    table = brain.stimuli.metadata
    assert (table.face == table.category.isin(["human face", "non-human face"])).all()
    assert (table.set_artiObj == (table.category == "artificial object")).all()


def test_the_human_it_ceiling_is_the_known_one():
    rdms = nl.load_dataset("kriegeskorte2008").rdms
    ceilings = nl.compare.compute_rdm_ceilings(rdms, comparator="spearman")
    assert 0.35 < ceilings.ceiling_lower.sel(region="IT") < 0.40
    assert 0.63 < ceilings.ceiling_upper.sel(region="IT") < 0.70
    assert ceilings.ceiling_lower.sel(region="EVA").isnull()


def test_only_the_files_of_the_regions_asked_for_are_read():
    whole = nl.load_dataset("kriegeskorte2008")
    some = nl.load_dataset("kriegeskorte2008", regions=["EVA", "IT"])
    assert some.regions == ["EVA", "IT"]
    assert list(some.rdms.subject.values) == ["group", "BE", "KO", "SN", "TI"]
    np.testing.assert_array_equal(
        some.rdms.sel(region="IT", subject="KO"), whole.rdms.sel(region="IT", subject="KO")
    )
    sizes = [
        (MIRROR / "kriegeskorte2008" / name).stat().st_size
        for name in ("92_brainRDMs.mat", "92_modelRDMs.mat")
    ]
    assert some.bytes_read == sum(sizes) < whole.bytes_read
