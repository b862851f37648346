"""The same RDMs from every kind of file, with their ids; what is ambiguous is asked for."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

import neurolens as nl
from neurolens.brain import read_rdms
from neurolens.brain.recordings.matlab.reading import import_matio
from neurolens.errors import DataError, InputError, LabelError, UnknownNameError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
IDS = ["cat", "dog", "cup", "car", "bee"]


@pytest.fixture
def square(rng):
    return squareform(rng.uniform(0.1, 1, 10))


def test_numbers_of_rows_are_not_matched_by_place(square, tmp_path):
    """Rows called 1 to 5, and ids 2 to 5 and 1: are they names, or do they count?"""
    path = tmp_path / "rdm.csv"
    names = list("12345")
    pd.DataFrame(square, index=names, columns=names).to_csv(path)
    for ids in (["2", "3", "4", "5", "1"], [2, 3, 4, 5, 1]):
        with pytest.raises(LabelError, match="rows of rdm.csv are numbered 1 to 5, and ids are th"):
            read_rdms(path, ids=ids)
    found = read_rdms(path, ids=[1, 2, 3, 4, 5])
    assert found.sel(stimulus=2, stimulus_2=5).item() == square[1, 4]
    assert read_rdms(path, ids=IDS).stimulus.values.tolist() == IDS


def check(found, square, region="brain", subject="group"):
    assert found.dims == ("region", "subject", "stimulus", "stimulus_2")
    assert found.stimulus.values.tolist() == IDS
    np.testing.assert_array_equal(found.sel(region=region, subject=subject), square)


def write_mat(path, square):
    scipy.io.savemat(path, {"rdm": square, "rate": 500.0})


def write_mat73(path, square):
    import_matio("this test").save_to_mat(str(path), {"rdm": square}, version="v7.3")


WRITERS = {
    "square.npy": np.save,
    "vector.npy": lambda path, square: np.save(path, squareform(square)),
    "square.npz": lambda path, square: np.savez(path, rdm=square, words=np.array(["x", "y"])),
    "square.mat": write_mat,
    "square73.mat": write_mat73,
    "vector.mat": lambda path, square: scipy.io.savemat(path, {"v": squareform(square)}),
    "bare.csv": lambda path, square: np.savetxt(path, square, delimiter=",", fmt="%.17g"),
    "bare.tsv": lambda path, square: np.savetxt(path, square, delimiter="\t", fmt="%.17g"),
    "vector.csv": lambda path, square: np.savetxt(
        path, squareform(square)[None], delimiter=",", fmt="%.17g"
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_without_ids(square, tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, square)
    check(read_rdms(path, ids=IDS), square)
    found = read_rdms(path, ids=IDS, regions="IT", subjects="S1", metric="euclidean")
    check(found, square, "IT", "S1")
    assert found.attrs["metric"] == "euclidean"
    with pytest.raises(LabelError, match="does not name its 5 stimuli. Pass their ids"):
        read_rdms(path)
    with pytest.raises((InputError, LabelError), match="of 4 stimuli"):
        read_rdms(path, ids=IDS[:4])
    with pytest.raises(LabelError, match="must be unique, but these repeat: 'cat'"):
        read_rdms(path, ids=["cat", *IDS[:4]])


@pytest.mark.parametrize("names", ["both", "header", "index", "r"])
def test_tables_with_ids(square, tmp_path, names):
    table = pd.DataFrame(square, index=IDS, columns=IDS)
    path = tmp_path / "rdm.csv"
    table.to_csv(path, index=names != "header", header=names != "index")
    if names == "r":
        path.write_text(path.read_text().removeprefix(","))
    check(read_rdms(path), square)
    order = IDS[::-1]
    found = read_rdms(path, ids=order)
    assert found.stimulus.values.tolist() == order
    np.testing.assert_array_equal(found[0, 0], square[::-1, ::-1])
    with pytest.raises(LabelError, match="Missing from rdm.csv: 'emu'; only in rdm.csv: 'bee'"):
        read_rdms(path, ids=[*IDS[:4], "emu"])


def test_tables_are_matched_by_name(square, tmp_path):
    table = pd.DataFrame(square, index=IDS, columns=IDS)
    path = tmp_path / "rdm.csv"
    table[IDS[::-1]].to_csv(path)
    check(read_rdms(path), square)
    check(read_rdms(table[IDS[::-1]]), square)
    table.rename(columns={"cat": "Cat"}).to_csv(path)
    with pytest.raises(LabelError, match="same names; only rows have 'cat', only columns 'Cat'"):
        read_rdms(path)


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_of_rows_are_no_ids(square, tmp_path, first):
    numbers = range(first, first + 5)
    path = tmp_path / "rdm.csv"
    pd.DataFrame(square, index=numbers, columns=numbers).to_csv(path)
    check(read_rdms(path, ids=IDS), square)
    with pytest.raises(LabelError, match="does not name its 5 stimuli"):
        read_rdms(path)
    pd.DataFrame([squareform(square)] * 2, index=range(first, first + 2)).to_csv(path, header=False)
    with pytest.raises(InputError, match=r"vectors of their pairs \(10\), got shape \(2, 11\)"):
        read_rdms(path, ids=IDS)


def test_ids_on_one_side_beside_numbers_of_rows(square, tmp_path):
    path = tmp_path / "rdm.csv"
    pd.DataFrame(square, columns=IDS).to_csv(path)
    check(read_rdms(path), square)
    pd.DataFrame(square, index=IDS).to_csv(path)
    check(read_rdms(path), square)


def test_as_many_named_rows_as_a_square_would_have(rng, tmp_path):
    """Eleven subjects with ten pairs each: a table of eleven rows and columns."""
    vectors = rng.uniform(0.1, 1, (11, 10))
    subjects = [f"S{k}" for k in range(11)]
    pd.DataFrame(vectors, index=subjects).to_csv(tmp_path / "rdms.csv", header=False)
    found = read_rdms(tmp_path / "rdms.csv", ids=IDS)
    assert found.subject.values.tolist() == subjects
    check(found, squareform(vectors[0]), subject="S0")
    pd.DataFrame(vectors).to_csv(tmp_path / "bare.csv", header=False, index=False)
    found = read_rdms(tmp_path / "bare.csv", ids=IDS, subjects=subjects)
    check(found, squareform(vectors[0]), subject="S0")


NAMES = st.one_of(
    st.integers(0, 12).map(str),
    st.sampled_from(["nan", "1.5", "a", "b c", "x,y", "1e3", "-1", "B"]),
)


@given(
    st.lists(NAMES, min_size=3, max_size=6, unique=True),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150)
def test_no_table_is_read_as_another(tmp_path_factory, ids, header, index, are_given, seed):
    """With names that look like numbers or gaps, a table is read as it was written, or refused."""
    rng = np.random.default_rng(seed)
    square = squareform(rng.uniform(0.1, 1, len(ids) * (len(ids) - 1) // 2))
    path = tmp_path_factory.mktemp("tables") / "rdm.csv"
    pd.DataFrame(square, index=ids, columns=ids).to_csv(path, header=header, index=index)
    try:
        found = read_rdms(path, ids=ids if are_given else None)
    except (DataError, InputError, LabelError):
        return
    assert set(found.stimulus.values) == set(ids)
    np.testing.assert_array_equal(found.sel(stimulus=ids, stimulus_2=ids)[0, 0], square)


def test_ids_of_numbers(square, tmp_path):
    numbers = [1, 2, 3, 10, 11]
    path = tmp_path / "rdm.csv"
    pd.DataFrame(square, index=numbers, columns=numbers).to_csv(path)
    assert read_rdms(path).stimulus.values.tolist() == [str(one) for one in numbers]
    pd.DataFrame(square, columns=numbers).to_csv(path, index=False)
    assert read_rdms(path).stimulus.values.tolist() == [str(one) for one in numbers]
    with pytest.raises(LabelError, match="must hold ids of one type"):
        read_rdms(path, ids=numbers)
    assert read_rdms(square, ids=numbers).stimulus.values.tolist() == numbers
    frame = read_rdms(pd.DataFrame(square, index=numbers, columns=numbers))
    assert frame.stimulus.values.tolist() == numbers


def test_rows_that_are_vectors(rng, tmp_path):
    vectors = rng.uniform(0.1, 1, (3, 10))
    path = tmp_path / "rdms.csv"
    pd.DataFrame(vectors, index=["A", "B", "C"]).to_csv(path, header=False)
    found = read_rdms(path, ids=IDS)
    assert found.subject.values.tolist() == ["A", "B", "C"]
    check(found, squareform(vectors[1]), subject="B")
    pairs = [f"pair{k}" for k in range(10)]
    pd.DataFrame(vectors, columns=pairs).to_csv(path, index=False)
    with pytest.warns(RuntimeWarning, match="the names of its columns are not read.*row by row"):
        found = read_rdms(path, ids=IDS, subjects=["A", "B", "C"])
    check(found, squareform(vectors[2]), subject="C")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n0,1\n1\n", "row 3 of .* has 1 values for 2 columns"),
        ("", "holds no table: it is empty"),
        ("a;b\n0;1\n1;0\n", "must hold numbers beside names of rows and columns|row|got"),
        (",a,b,c\na,0,1,x\nb,1,0,2\nc,2,2,0\n", "must hold numbers beside names .* got 'x'"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "rdm.csv").write_text(text)
    with pytest.raises((DataError, InputError), match=message):
        read_rdms(tmp_path / "rdm.csv")


def test_ids_beside_the_numbers(square, tmp_path):
    np.savez(tmp_path / "rdm.npz", rdm=square, ids=np.array(IDS))
    check(read_rdms(tmp_path / "rdm.npz"), square)
    np.savez(tmp_path / "two.npz", a=square, b=square)
    with pytest.raises(InputError, match=r"several arrays, or none called None: a \(5, 5\), b"):
        read_rdms(tmp_path / "two.npz", ids=IDS)
    check(read_rdms(tmp_path / "two.npz", ids=IDS, variable="b"), square)


def save_structs(path, squares, names, **more):
    entries = np.empty((2, 2), dtype=[("RDM", object), ("name", object), ("color", object)])
    for k, place in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        entries[place] = (squares[k], names[k], np.array([[0.0, 0.0, 1.0]]))
    scipy.io.savemat(path, {"RDMs": entries, **more})


def test_struct_arrays_of_matlab(rng, tmp_path):
    squares = [squareform(rng.uniform(0.1, 1, 10)) for _ in range(4)]
    names = ["S1 a", "S1 b", "S2 a", "S2 b"]
    path = tmp_path / "rdms.mat"
    save_structs(path, squares, names)
    found = read_rdms(path, ids=IDS)
    assert found.subject.values.tolist() == names
    for name, square in zip(names, squares, strict=True):
        check(found, square, subject=name)
    placed = read_rdms(
        path, ids=IDS, subjects=["S1", "S1", "S2", "S2"], regions=["V1", "IT", "V1", "IT"]
    )
    assert dict(placed.sizes) == {"region": 2, "subject": 2, "stimulus": 5, "stimulus_2": 5}
    check(placed, squares[2], "V1", "S2")
    with pytest.raises(LabelError, match=r"one RDM for each region and subject.*\('brain', 'S1'\)"):
        read_rdms(path, ids=IDS, subjects=["S1", "S1", "S2", "S2"])
    check(read_rdms(path, ids=IDS, variable="RDMs(2)", subjects="x"), squares[1], subject="x")
    check(read_rdms(path, ids=IDS, variable="RDMs(3).RDM"), squares[2])
    save_structs(path, squares, names, other=squares[0])
    with pytest.raises(
        InputError, match="several variables that may be RDMs of 5 .* 'RDMs', 'other'"
    ):
        read_rdms(path, ids=IDS)
    scipy.io.savemat(path, {"a": {"x": squares[0], "y": squares[1]}})
    with pytest.raises(
        InputError, match="entry 1 of 'a' of rdms.mat must have one field that is an"
    ):
        read_rdms(path, ids=IDS, variable="a")
    scipy.io.savemat(path, {"words": "none"})
    with pytest.raises(InputError, match="holds no variable that may be RDMs"):
        read_rdms(path)


def test_stacks_need_names(rng):
    squares = np.stack([squareform(rng.uniform(0.1, 1, 10)) for _ in range(3)])
    with pytest.raises(InputError, match="holds 3 RDMs without names. Name them in their order"):
        read_rdms(squares, ids=IDS)
    check(read_rdms(squares, ids=IDS, subjects=list("ABC")), squares[1], subject="B")
    check(read_rdms(squares, ids=IDS, regions=list("ABC"), subjects="S"), squares[2], "C", "S")
    matlab = np.moveaxis(squares, 0, 2)
    check(read_rdms(matlab, ids=IDS, regions=list("ABC")), squares[2], "C")
    with pytest.raises(
        InputError, match="subjects must name each of the 3 RDMs .*, got 2: 'A', 'B'"
    ):
        read_rdms(squares, ids=IDS, subjects=["A", "B"])
    with pytest.raises(InputError, match="without names"):
        read_rdms(squares, ids=IDS, subjects=None, regions="IT")
    grid = np.stack([squares, squares * 2])
    found = read_rdms(grid, ids=IDS, regions=["V1", "IT"], subjects=list("ABC"))
    check(found, squares[1] * 2, "IT", "B")
    with pytest.raises(InputError, match=r"RDMs \(2 regions, 3 subjects\) by its axes"):
        read_rdms(grid, ids=IDS, regions=["V1", "IT"])


def test_what_is_odd_is_told(square):
    square[0, 3] = square[3, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="1 pairs of the RDM are NaN, and left out"):
        assert np.isnan(read_rdms(square, ids=IDS)[0, 0, 0, 3])
    below = np.nan_to_num(square, nan=0.5)
    below[1, 2] = below[2, 1] = -0.2
    with pytest.warns(RuntimeWarning, match="1 of 10 numbers of the RDM are below 0.*pass 1 - x"):
        read_rdms(below, ids=IDS)
    read_rdms(below, ids=IDS, metric="crossnobis")
    with pytest.raises(InputError, match="which is 1 throughout"):
        read_rdms(1 - below, ids=IDS)


def save_meadows(path, orders, square):
    content = {}
    for who, order in orders.items():
        rows = [IDS.index(name) for name in order]
        content[f"rdmutv_{who}"] = squareform(square[np.ix_(rows, rows)])[None]
        content[f"stimuli_{who}"] = np.array(order)
    scipy.io.savemat(path, content)


def test_meadows_by_participant(square, tmp_path):
    """Each participant's stimuli are in an order of its own."""
    path = tmp_path / "Meadows_my_v_v2_arrange_2D.mat"
    save_meadows(
        path, {"cuddly_bunny": IDS, "able_owl": ["cup", "bee", "dog", "cat", "car"]}, square
    )
    found = read_rdms(path)
    assert found.subject.values.tolist() == ["cuddly-bunny", "able-owl"]
    check(found, square, subject="able-owl")
    check(found, square, subject="cuddly-bunny")
    save_meadows(path, {"a_b": IDS, "c_d": [*IDS[:4]]}, square)
    with pytest.raises(
        LabelError, match="must have arranged the same stimuli; 'rdmutv_c_d' lacks 'bee'"
    ):
        read_rdms(path)
    scipy.io.savemat(path, {"rdmutv_x": squareform(square)[None]})
    with pytest.raises(DataError, match="has the RDM 'rdmutv_x' without its stimuli, 'stimuli_x'"):
        read_rdms(path)


def test_meadows_of_one_participant(square, tmp_path):
    content = {"rdmutv": squareform(square)[None], "stimuli": np.array(IDS)}
    scipy.io.savemat(tmp_path / "Meadows_my_v_v2_cuddly-bunny_3_1D.mat", content)
    check(
        read_rdms(tmp_path / "Meadows_my_v_v2_cuddly-bunny_3_1D.mat"),
        square,
        subject="cuddly-bunny",
    )
    scipy.io.savemat(tmp_path / "renamed.mat", content)
    check(read_rdms(tmp_path / "renamed.mat", subjects="P1"), square, subject="P1")
    task = {
        "task": {"task_type": "multiarrange", "name": "objects"},
        "stimuli": [{"name": name} for name in IDS],
        "rdm": squareform(square).tolist(),
    }
    tree = {"tasks": [{"task": {"task_type": "info"}}, task]}
    path = tmp_path / "Meadows_my_v_v2_cuddly-bunny_tree.json"
    path.write_text(json.dumps(tree))
    check(read_rdms(path), square, subject="cuddly-bunny")
    path.with_name("Meadows_my_v_v2_cuddly-bunny_3_tree.json").write_text(json.dumps(task))
    alone = read_rdms(tmp_path / "Meadows_my_v_v2_cuddly-bunny_3_tree.json")
    check(alone, square, subject="cuddly-bunny")
    tree["tasks"].append({**task, "task": {"task_type": "multiarrange", "name": "again"}})
    path.write_text(json.dumps(tree))
    with pytest.raises(InputError, match="holds 2 multiple arrangement tasks, 'objects', 'again'"):
        read_rdms(path)
    check(read_rdms(path, variable="again"), square, subject="cuddly-bunny")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1, 2]", "must be the tree of one participant, with a list of 'tasks'"),
        ('{"tasks": 3}', "must be the tree of one participant"),
        (
            '{"tasks": [{"task": {"task_type": "multiarrange", "name": "t"}, "rdm": [1]}]}',
            "the task 't' of .* has no RDM with stimuli",
        ),
        (
            '{"tasks": [{"task": {"task_type": "multiarrange", "name": "t"}, "rdm": [1, 2],'
            ' "stimuli": [{"name": "a"}, {"name": "b"}]}]}',
            "the task 't' of .* has 2 pairs for 2 stimuli",
        ),
    ],
)
def test_json_of_another_form(tmp_path, text, message):
    (tmp_path / "tree.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_rdms(tmp_path / "tree.json")


def test_sources_that_cannot_be_read(square, tmp_path):
    with pytest.raises(DataError, match="there is no file of RDMs at"):
        read_rdms(tmp_path / "none.npy", ids=IDS)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(
        DataError, match="objects.npy cannot be read .*Pickled objects are not opened"
    ):
        read_rdms(tmp_path / "objects.npy", ids=IDS)
    (tmp_path / "rdm.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match="RDMs are read from .csv, .tsv, .npy.*got 'rdm.xlsx'"):
        read_rdms(tmp_path / "rdm.xlsx", ids=IDS)
    with pytest.raises(InputError, match="source is labelled already"):
        read_rdms(xr.DataArray(square), ids=IDS)
    with pytest.raises(InputError, match="source must be one file. Read several one by one"):
        read_rdms(["a.csv", "b.csv"], ids=IDS)
    with pytest.raises(UnknownNameError, match="no order of pairs named 'row'"):
        read_rdms(square, ids=IDS, pairs="row")


def test_they_are_compared_as_they_are(square, rng):
    brain = read_rdms(np.stack([square, square**2]), ids=IDS, subjects=["A", "B"], regions="IT")
    model = brain.sel(region="IT", subject="A", drop=True).isel(stimulus=[4, 2, 0, 1, 3])
    scores = nl.compare_rdms(model, brain, n_splits=0, n_bootstrap=0)
    np.testing.assert_allclose(scores.score, 1)


@pytest.mark.skipif(not MIRROR, reason="NEUROLENS_MIRROR names no folder with data sets")
def test_published_files():
    folder = Path(MIRROR) / "kriegeskorte2008"
    ids = [f"{k:02d}" for k in range(92)]
    sessions = [f"{who} {k}" for k in (1, 2) for who in ("BE", "KO", "SN", "TI")]
    found = read_rdms(folder / "92_brainRDMs.mat", ids=ids, subjects=sessions, regions="hIT")
    assert dict(found.sizes) == {"region": 1, "subject": 8, "stimulus": 92, "stimulus_2": 92}
    held = scipy.io.loadmat(folder / "92_brainRDMs.mat")["RDMs"]
    for k, session in enumerate(sessions):
        theirs = held.ravel(order="F")[k]
        assert session.split()[0] in str(theirs["name"])
        np.testing.assert_allclose(
            found.sel(region="hIT", subject=session), theirs["RDM"], atol=1e-6
        )
    models = read_rdms(folder / "92_modelRDMs.mat", ids=ids, variable="Models")
    assert "EVA" in models.subject.values
    figure = read_rdms(
        folder / "Kriegeskorte_Neuron2008_supplementalData.mat",
        ids=ids,
        variable="RDMs_mIT_hIT_fig1",
    )
    assert figure.subject.values.tolist() == ["mIT_674neurons", "hITvisStim_316vx"]
    human = figure.sel(subject="hITvisStim_316vx")
    np.testing.assert_allclose(human.squeeze(), found.mean("subject").squeeze(), atol=1e-6)


def test_objects_of_rsatoolbox_are_named(rng):
    rsatoolbox = pytest.importorskip("rsatoolbox")
    rdms = rsatoolbox.rdm.RDMs(rng.random((2, 6)))
    with pytest.raises(
        InputError, match=r"got RDMs of rsatoolbox\. Pass .*from_rsatoolbox\(rdms\)"
    ):
        read_rdms(rdms)
