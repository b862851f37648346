"""Lines that run side by side do not run on top of each other."""

from hypothesis import given
from hypothesis import strategies as st

from neurolens.view.layout.tracks import assign_slots, request_track, spread_tracks

ENDS = st.tuples(st.integers(0, 100), st.integers(0, 100))


def build_tracks(ends):
    tracks = {}
    for order, (a, b) in enumerate(ends):
        request_track(tracks, order, False, float(a), float(b))
    return tracks


def test_arrows_of_one_card_share_a_track_and_its_loops_have_another():
    tracks = {}
    first = request_track(tracks, 3, False, 10.0, 2.0)
    assert request_track(tracks, 3, False, 5.0, 20.0) is first
    assert (first.low, first.high) == (2.0, 20.0)
    assert request_track(tracks, 3, True, 5.0, 20.0) is not first


@given(st.lists(ENDS, max_size=20))
def test_tracks_of_a_slot_are_apart(ends):
    tracks = build_tracks(ends)
    assign_slots(tracks.values(), 4.0)
    for one in tracks.values():
        for other in tracks.values():
            if one is not other and one.slot == other.slot:
                assert one.high + 4 <= other.low or other.high + 4 <= one.low or one.low == one.high


def test_short_ones_are_nearest():
    tracks = build_tracks([(0, 90), (10, 50), (20, 30)])
    assert len(assign_slots(tracks.values(), 4.0)) == 3
    assert [track.slot for track in tracks.values()] == [2, 1, 0]


@given(st.lists(ENDS, max_size=20), st.lists(st.integers(0, 50), min_size=20, max_size=20))
def test_tracks_beside_each_other_have_the_room_they_need(ends, least):
    tracks = build_tracks(ends)
    farthest = spread_tracks(
        tracks.values(), 4.0, 9.0, lambda track: float(least[track.order // 2])
    )
    assert farthest == max((track.at for track in tracks.values()), default=None)
    for one in tracks.values():
        assert one.at >= least[one.order // 2]
        for other in tracks.values():
            beside = one.high + 4 > other.low and other.high + 4 > one.low
            if one is not other and beside:
                assert abs(one.at - other.at) >= 9
