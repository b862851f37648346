"""Windows of videos: their ids, onsets and frames."""

import numpy as np
import pandas as pd
import pytest
from video_files import read_number, write_video

import neurolens as nl
from neurolens.errors import InputError
from neurolens.stimuli import Video

pytest.importorskip("av")


@pytest.fixture
def path(tmp_path):
    return write_video(tmp_path / "film.mp4")  # 20 frames, 2 s


def load(path, **settings):
    return nl.load_stimuli(path, kind=Video(**settings), transform=None)


def list_numbers(clip):
    return [read_number(frame) for frame in clip]


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"frames": 2}, [5, 15]),
        ({"frames": 4, "duration": 0.8}, [1, 3, 5, 7]),
        ({"frames": 2, "start": 1}, [12, 17]),
        ({"frames": None, "rate": 4}, [0, 2, 5, 7, 10, 12, 15, 17]),
        ({"frames": 3, "rate": 5}, [0, 2, 4]),
        ({"frames": 3, "rate": 20}, [0, 0, 1]),
        ({"frames": 40}, [i // 2 for i in range(40)]),
    ],
    ids=str,
)
def test_frames_by_time(settings, numbers, path):
    stimuli = load(path, **settings)
    assert stimuli.ids == ("film",)
    assert list_numbers(stimuli["film"]) == numbers


def test_windows_are_stimuli_with_their_onsets(path):
    stimuli = load(path, window=0.5, frames=5)
    assert stimuli.ids == ("film@0s", "film@0.5s", "film@1s", "film@1.5s")
    assert stimuli.metadata.onset.tolist() == [0, 0.5, 1, 1.5]
    assert set(stimuli.metadata.duration) == {0.5}
    assert set(stimuli.metadata.video) == {"film"}
    whole = load(path, window=1)
    assert whole.metadata.onset.dtype == whole.metadata.duration.dtype == float
    for name, first in zip(stimuli.ids, (0, 5, 10, 15), strict=True):
        assert list_numbers(stimuli[name]) == list(range(first, first + 5))


def test_windows_may_overlap_and_leave_an_end(path):
    with pytest.warns(RuntimeWarning, match=r"no window holds the end of 1 videos: .*0.2 s of"):
        stimuli = load(path, window=0.8, step=0.5, frames=1)
    assert stimuli.ids == ("film@0s", "film@0.5s", "film@1s")
    assert [list_numbers(stimuli[name])[0] for name in stimuli.ids] == [4, 9, 14]


def test_clips_of_equal_length(path):
    stimuli = load(path, clips=3, frames=1)
    assert stimuli.ids == ("film@0s", "film@0.666667s", "film@1.333333s")
    assert [list_numbers(stimuli[name])[0] for name in stimuli.ids] == [3, 10, 16]


def test_windows_of_a_movie_are_numbered_without_rounding_errors(path):
    stimuli = load(path, window=0.1, frames=1)
    assert stimuli.ids == tuple(f"film@{i / 10:g}s" for i in range(20))
    assert [list_numbers(stimuli[name])[0] for name in stimuli.ids] == list(range(20))


def test_ids_and_metadata_of_files_go_to_their_windows(path, tmp_path):
    other = write_video(tmp_path / "other.mp4", 10)
    table = pd.DataFrame({"genre": ["drama", "comedy"]}, index=["o", "f"])
    stimuli = nl.load_stimuli(
        [path, other],
        ids=["f", "o"],
        kind=Video(window=1, frames=2),
        metadata=table,
        transform=None,
    )
    assert stimuli.ids == ("f@0s", "f@1s", "o@0s")
    assert stimuli.metadata.genre.tolist() == ["comedy", "comedy", "drama"]
    with pytest.raises(InputError, match="2 stimuli but 3 ids; .*which are files or texts here"):
        nl.load_stimuli([path, other], ids=["a", "b", "c"], kind=Video(window=1))
    clashing = table.rename(columns={"genre": "onset"}).rename(index={"o": "film", "f": "other"})
    with pytest.raises(InputError, match="metadata columns 'onset' are those of parts of files"):
        nl.load_stimuli([path, other], kind=Video(window=1), metadata=clashing)


def test_videos_of_several_lengths_at_one_rate_are_padded(path, tmp_path):
    write_video(tmp_path / "other.mp4", 10)
    stimuli = load(tmp_path, frames=None, rate=5)
    with pytest.warns(RuntimeWarning, match="stimuli: of length 5 to 10, padded with zeros"):
        batch = stimuli.read_rows(range(2))
    assert batch.shape == (2, 10, 32, 48, 3)
    assert stimuli.lengths.length.to_dict() == {"film": 10, "other": 5}
    assert (batch[1, 5:] == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"duration": 3}, r"lasts 2 s, which ends before start=0 and duration=3. Choose less"),
        ({"start": 2}, "lasts 2 s, which ends before start=2. Choose less"),
        ({"window": 2.5}, "has 2 s to use, less than window=2.5"),
        ({"frames": 9, "rate": 4}, "hold 8 frames at rate=4, and frames=9 asks for more"),
    ],
    ids=str,
)
def test_files_that_are_too_short(settings, message, path):
    with pytest.raises(InputError, match=message):
        load(path, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 0}, "frames must be a whole number, at least 1, got 0"),
        ({"frames": None}, "frames=None needs rate=, in frames per second"),
        ({"rate": 0}, "rate must be a number, more than 0, got 0"),
        ({"start": np.nan}, "start must be a number, 0 or more, got nan"),
        ({"step": 1}, "step= needs window=, in seconds"),
        ({"window": 1, "clips": 2}, "clips= and window= both divide a video"),
        ({"clips": 1.5}, "clips must be a whole number, at least 1, got 1.5"),
        ({"per_frame": 1}, "per_frame must be True, False or None, got 1"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(InputError, match=message):
        Video(**settings)


def test_arrays_of_frames_need_no_kind(rng):
    clips = rng.integers(0, 255, (2, 3, 8, 8, 3)).astype(np.uint8)
    with pytest.raises(InputError, match="Video is for files; arrays of frames"):
        nl.load_stimuli(clips, kind="video")
