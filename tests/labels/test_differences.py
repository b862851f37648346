import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.labels.differences import describe_differences, find_differences

WORDS = st.text("abcABC0123_./ é", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("one", "other", "written"),
    [
        (7, "7", "type"),
        (7.0, "7", "type"),
        (b"cat", "cat", "type"),
        ("cat ", "cat", "spaces"),
        ("Cat", "cat", "case"),
        ("caf\u00e9", "cafe\u0301", "form of accented letters"),
        ("cat.png", "cat", "suffix"),
        ("cat.png", "cat.jpg", "suffix"),
        ("images/cat", "cat", "folder"),
        (r"C:\images\cat", "cat", "folder"),
        ("stim_007", "stim_7", "zeros before a number"),
        ("007", 7, "zeros before a number"),
        ("7.0", 7, "zeros before a number"),
        ("images/Cat_01.PNG", "cat_1", "several of these"),
    ],
)
def test_each_way_is_told(one, other, written):
    [found] = find_differences(["x", one, "y"], ["p", "q", other])
    assert tuple(found) == (one, other, written)
    [turned] = find_differences([other], [one])
    assert turned.written == written


def test_ids_without_a_counterpart_are_not_told():
    assert find_differences(["cat", "dog10"], ["cup", "dog1"]) == []
    assert describe_differences([]) == ""


def test_ids_that_would_fall_together_are_not_paired():
    assert find_differences(["Cat", "CAT"], ["cat"]) == []
    assert find_differences(["cat"], ["cat.png", "cat.jpg"]) == []


@given(st.sets(WORDS), st.sets(WORDS))
def test_pairs_are_one_to_one_and_the_same_from_both_sides(ids, others):
    common = ids & others
    one, two = sorted(ids - common), sorted(others - common)
    found = find_differences(one, two)
    assert len({pair.id_a for pair in found}) == len({pair.id_b for pair in found}) == len(found)
    assert {pair.id_a for pair in found} <= set(one)
    turned = {(pair.id_b, pair.id_a, pair.written) for pair in find_differences(two, one)}
    assert turned == {tuple(pair) for pair in found}


def test_they_are_told_in_a_sentence():
    found = find_differences(["a.png", "b.png", "C"], ["a", "b", "c"])
    told = describe_differences(found)
    assert told.startswith("3 ids would be the same if they were written alike: they differ 2 in")
    assert "2 in suffix, such as 'a.png' and 'a'; 1 in case, such as 'C' and 'c'." in told
