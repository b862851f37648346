"""Frames of clips are those that are shown at their times, upright, in every container."""

import pickle
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import small_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from video_files import CODECS, SIZE, read_number, turn_video, write_video

import neurolens as nl
from neurolens.errors import InputError
from neurolens.stimuli import Video
from neurolens.stimuli.videos.clips import decode_from
from neurolens.stimuli.videos.files import VideoFile

av = pytest.importorskip("av")
EVERY = Video(frames=20)


def decode(path):
    """Return all frames of a file, and their times in seconds, by decoding it once."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    arrays = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    times = np.array([float(frame.pts * frame.time_base) for frame in frames])
    return arrays, times - times[0]


@pytest.mark.parametrize("suffix", CODECS)
def test_every_frame_is_the_one_that_is_decoded_by_hand(suffix, tmp_path):
    path = write_video(tmp_path / f"a.{suffix}")
    frames, times = decode(path)
    np.testing.assert_allclose(times, np.arange(20) / 10, atol=1e-6)
    made = nl.load_stimuli(path, kind=EVERY, transform=None)["a"]
    assert made.dtype == torch.uint8
    assert np.array_equal(made, frames)
    assert [read_number(frame) for frame in made] == list(range(20))


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("start", [0.0, 0.65, 1.0, 1.75])
def test_frames_from_the_middle_of_a_file(suffix, start, tmp_path):
    path = write_video(tmp_path / f"a.{suffix}")
    kind = Video(frames=2, rate=10, start=start)
    made = nl.load_stimuli(path, kind=kind, transform=None)["a"]
    first = int(start * 10 + 1e-9)
    assert [read_number(frame) for frame in made] == [first, first + 1]
    assert np.array_equal(made, decode(path)[0][first : first + 2])


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("rate", [24, 30])
def test_the_frame_at_the_time_of_each_frame(suffix, rate, tmp_path):
    """Matroska rounds times to milliseconds, and floats round too."""
    path = write_video(tmp_path / f"a.{suffix}", 20, rate=rate)
    made = nl.load_stimuli(path, kind=Video(frames=20, rate=rate), transform=None)["a"]
    assert [read_number(frame) for frame in made] == list(range(20))


class Frames:
    """A container whose index points behind the time that is asked for."""

    def __init__(self, late):
        self.late = late
        self.position = 0

    def seek(self, offset, **_):
        self.position = offset + self.late if offset else 0

    def decode(self, stream):
        return iter([SimpleNamespace(pts=pts) for pts in range(self.position, 10)])


@pytest.mark.parametrize(("late", "first"), [(0, 5), (-2, 3), (2, 0), (9, 0)])
def test_containers_that_find_no_frame_before_a_time_are_read_from_the_start(late, first):
    stream = SimpleNamespace(time_base=Fraction(1), start_time=None)
    found = [frame.pts for frame in decode_from(Frames(late), stream, Fraction(5))]
    assert found == list(range(first, 10))


INTERVALS = st.lists(st.integers(15, 400), min_size=12, max_size=12)


@given(INTERVALS, st.integers(1, 9))
def test_variable_frame_rates(tmp_path_factory, intervals, n_frames):
    """The frame at a time is the last that begins no later, up to what the container rounds."""
    times = np.concatenate([[0], np.cumsum(intervals)[:-1]])
    path = tmp_path_factory.mktemp("v") / "a.mkv"
    write_video(path, 12, times=times.tolist(), codec=("ffv1", "bgr0"))
    duration = times[-1] / 1000
    kind = Video(frames=n_frames, duration=duration)
    made = nl.load_stimuli(path, kind=kind, transform=None)["a"]
    asked = duration * 1000 * (np.arange(n_frames) + 0.5) / n_frames
    expected = np.searchsorted(times, asked + 0.501, side="right") - 1
    assert [read_number(frame) for frame in made] == expected.tolist()


def test_a_file_that_does_not_begin_at_zero(tmp_path):
    times = [500 + 100 * i for i in range(10)]
    path = write_video(tmp_path / "a.mkv", 10, times=times)
    made = nl.load_stimuli(path, kind=Video(frames=10, duration=1), transform=None)["a"]
    assert [read_number(frame) for frame in made] == list(range(10))


TURNS = {
    (1, 0, 0, 1): 0,
    (0, 1, -1, 0): 3,  # a point to the right goes down: clockwise
    (-1, 0, 0, -1): 2,
    (0, -1, 1, 0): 1,
}


@pytest.mark.parametrize("matrix", TURNS)
def test_frames_are_turned_as_the_file_says(matrix, tmp_path):
    """By hand: each pixel goes to the place that the matrix gives for its coordinates."""
    path = write_video(tmp_path / "a.mp4")
    stored = nl.load_stimuli(path, kind=Video(frames=1), transform=None)["a"][0].numpy()
    turn_video(path, matrix)
    shown = nl.load_stimuli(path, kind=Video(frames=1), transform=None)["a"][0].numpy()
    a, b, c, d = matrix
    y, x = np.indices(SIZE)
    to_x = a * x + c * y
    to_y = b * x + d * y
    expected = np.zeros((np.ptp(to_y) + 1, np.ptp(to_x) + 1, 3), np.uint8)
    expected[to_y - to_y.min(), to_x - to_x.min()] = stored
    assert np.array_equal(shown, expected)


def test_only_what_is_used_is_decoded(tmp_path, monkeypatch):
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4")
    stimuli = nl.load_stimuli(tmp_path, kind=Video(window=0.5, frames=2), transform=None)
    opened = []
    from neurolens.stimuli.videos import clips

    plain = clips.open_video
    monkeypatch.setattr(clips, "open_video", lambda path: opened.append(path.stem) or plain(path))
    assert stimuli["b@0.5s"].shape == (2, *SIZE, 3)
    assert opened == ["b"]


def test_frames_are_pictures_to_transforms_of_pictures(tmp_path):
    from torchvision.models import ResNet18_Weights

    path = write_video(tmp_path / "a.mp4")
    frames = nl.load_stimuli(path, kind=Video(frames=3), transform=None)["a"].numpy()
    for transform in (nl.ImageTransform(), ResNet18_Weights.IMAGENET1K_V1.transforms()):
        made = nl.load_stimuli(path, kind=Video(frames=3), transform=transform)["a"]
        expected = torch.stack([transform(Image.fromarray(frame)) for frame in frames])
        assert torch.equal(made, expected)
    usual = nl.load_stimuli(path, kind=Video(frames=3))
    assert usual.layout == {None: ("frame", "channel", "y", "x")}
    assert usual["a"].shape == (3, 3, 224, 224)


def test_presets_of_video_models(tmp_path):
    from torchvision.models.video import R3D_18_Weights

    path = write_video(tmp_path / "a.mp4")
    frames = nl.load_stimuli(path, kind=Video(frames=4), transform=None)["a"]
    preset = R3D_18_Weights.DEFAULT.transforms()
    made = nl.load_stimuli(path, kind=Video(frames=4), transform=preset)["a"]
    assert made.shape == (3, 4, 112, 112)
    assert torch.equal(made, preset(frames.permute(0, 3, 1, 2)))


def test_a_transform_takes_the_clip_or_each_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    seen = []

    def note(item):
        seen.append(type(item))
        return torch.as_tensor(np.array(item)).float()

    whole = nl.load_stimuli(path, kind=Video(frames=3), transform=note)["a"]
    parts = nl.load_stimuli(path, kind=Video(frames=3, per_frame=True), transform=note)["a"]
    assert torch.equal(whole, parts)
    assert seen == [np.ndarray, Image.Image, Image.Image, Image.Image]
    with pytest.raises(InputError, match="of single frames must return a tensor for each, got str"):
        nl.load_stimuli(path, kind=Video(per_frame=True), transform=lambda x: "a")["a"]


def test_a_processor_of_clips(tmp_path):
    """The values are those of the library's processor on frames that were decoded by hand."""
    transformers = pytest.importorskip("transformers")
    small_models.save_video(tmp_path / "model")  # takes four frames
    (tmp_path / "v").mkdir()
    loaded = nl.load_model(f"hf/{tmp_path / 'model'}")
    for i in range(3):
        write_video(tmp_path / "v" / f"{i}.mp4", 12 + 2 * i)
    stimuli = nl.load_stimuli(tmp_path / "v", kind=Video(frames=4), model=loaded)
    acts = nl.extract_activations(loaded.model, stimuli, ops="encoder.layer.1", quiet=True)
    processor = transformers.VideoMAEImageProcessor.from_pretrained(tmp_path / "model")
    clips = []
    for i in range(3):
        frames, times = decode(tmp_path / "v" / f"{i}.mp4")
        middles = (times[-1] + 0.1) * (np.arange(4) + 0.5) / 4
        clips.append(list(frames[np.searchsorted(times, middles + 1e-6, side="right") - 1]))
    given = processor(clips, return_tensors="pt")
    with torch.no_grad():
        expected = loaded.model(**given, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_allclose(acts[acts.attrs["ops"][0]].activation, expected, atol=1e-5)


def test_the_hash_follows_file_and_frames_and_reads_a_file_once(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4")
    whole = nl.load_stimuli(path, kind=Video(frames=2))
    assert whole.hash_items() == nl.load_stimuli(path, kind=Video(frames=2)).hash_items()
    assert whole.hash_items() != nl.load_stimuli(path, kind=Video(frames=3)).hash_items()
    parts = nl.load_stimuli(path, kind=Video(frames=2, clips=4))
    from neurolens.stimuli.videos import files

    read = []
    plain = files.update_file_hash
    monkeypatch.setattr(files, "update_file_hash", lambda *a: read.append(a) or plain(*a))
    before = parts.hash_each()
    assert len(set(before)) == 4
    assert len(read) == 1
    write_video(path, 19)
    assert not set(parts.hash_each()) & set(before)
    assert len(read) == 2


def test_clips_go_to_other_processes(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    stimuli = nl.load_stimuli(path, kind=EVERY, transform=None)
    copied = pickle.loads(pickle.dumps(stimuli))
    assert torch.equal(copied["a"], stimuli["a"])
    assert copied.hash_content() == stimuli.hash_content()


def test_what_was_done_is_recorded(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    turn_video(path, (0, 1, -1, 0))
    parts = nl.load_stimuli(path, kind=Video(frames=2)).preprocessing.parts
    assert parts["videos of h264, yuv420p, 48 x 32"] == (
        "RGB of 8 bits by PyAV, turned by 270 degrees counterclockwise, each frame transformed as "
        "a picture"
    )
    assert isinstance(nl.load_stimuli(path)._items[0].file, VideoFile)


def test_transparency_is_said_to_be_left_out(tmp_path):
    path = write_video(tmp_path / "a.mkv", codec=("ffv1", "bgra"))
    parts = nl.load_stimuli(path, transform=None).preprocessing.parts
    assert parts["videos of ffv1, bgra, 48 x 32"] == "RGB of 8 bits by PyAV, transparency left out"


def test_a_file_that_was_changed_is_told(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    stimuli = nl.load_stimuli(path, kind=EVERY, transform=None)
    write_video(path, 10)
    with pytest.raises(InputError, match="a.mp4' cannot be read as a video .its last frame is sho"):
        stimuli["a"]
    path.unlink()
    with pytest.raises(InputError, match="a.mp4' does not exist any more; restore it"):
        stimuli["a"]


def test_frames_are_shown_side_by_side(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    strip = nl.load_stimuli(path)._items[0].make_thumbnail()
    assert strip.size == (3 * SIZE[1], SIZE[0])
    shown = np.asarray(strip).reshape(SIZE[0], 3, SIZE[1], 3)
    assert [read_number(shown[:, i]) for i in range(3)] == [0, 10, 19]


def test_a_video_that_was_trimmed_begins_at_the_first_frame_that_is_shown(tmp_path):
    """An edit list in an MP4 leaves out the frames before time 0, which are stored all the same."""
    times = [100 * i - 500 for i in range(20)]
    path = write_video(tmp_path / "a.mp4", times=times)
    made = nl.load_stimuli(path, kind=Video(frames=None, rate=10), transform=None)["a"]
    assert [read_number(frame) for frame in made.numpy()] == list(range(5, 20))
