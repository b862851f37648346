"""Files of videos that are broken, cut short or cannot be shown as they are: they are named."""

import sys

import numpy as np
import pytest
from video_files import CODECS, turn_video, write_video

import neurolens as nl
from neurolens.errors import InputError, MissingToolError
from neurolens.stimuli import Video
from neurolens.stimuli.videos.files import read_video

pytest.importorskip("av")


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
@pytest.mark.parametrize("suffix", CODECS)
def test_what_is_no_video_is_named(content, suffix, tmp_path):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read as a video \("):
        nl.load_stimuli(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("suffix", CODECS)
def test_cut_files_are_found(suffix, share, tmp_path):
    path = write_video(tmp_path / f"a.{suffix}", 40)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read as a video"):
        nl.load_stimuli(tmp_path)


def test_cut_files_with_their_index_at_the_beginning(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, container={"movflags": "faststart"})
    assert read_video(path).n_frames == 40
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    with pytest.raises(InputError, match="a.mp4' cannot be read as a video .*cut short"):
        nl.load_stimuli(tmp_path)


def test_a_last_frame_that_was_cut_off(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="a.mp4' cannot be read .*a frame in it is damaged or cut"):
        nl.load_stimuli(tmp_path)


@pytest.mark.parametrize("suffix", CODECS)
def test_how_long_it_is(suffix, tmp_path):
    video = read_video(write_video(tmp_path / f"a.{suffix}"))
    assert video.duration == pytest.approx(2)
    assert video.n_frames == 20
    assert video.shape == (32, 48, 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ((-1, 0, 0, 1), "it is to be shown mirrored; write it anew"),
        ((0.5**0.5, 0.5**0.5, -(0.5**0.5), 0.5**0.5), "it is to be shown turned by .*45 degrees"),
    ],
)
def test_other_ways_to_show_a_video_are_refused(matrix, message, tmp_path):
    path = write_video(tmp_path / "a.mp4")
    turn_video(path, matrix)
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(path)


def test_a_playlist_is_not_followed(tmp_path):
    write_video(tmp_path / "a.mp4")
    playlist = "ffconcat version 1.0\nfile a.mp4\n"
    (tmp_path / "b.mp4").write_text(playlist)
    with pytest.raises(InputError, match="b.mp4' cannot be read as a video"):
        nl.load_stimuli(tmp_path)


def test_sound_alone_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="a.mkv' cannot be read as a video .it holds no video"):
        nl.load_stimuli(tmp_path)


def test_other_suffixes_need_another_name(tmp_path):
    (tmp_path / "a.mpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a.mpg' has none of the suffixes of videos: .mp4"):
        nl.load_stimuli(tmp_path / "a.mpg", kind=Video())


def test_the_package_is_named(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingToolError, match=r"pip install av"):
        nl.load_stimuli(tmp_path)


def test_frames_whose_times_are_not_those_at_which_they_are_shown(tmp_path):
    """H.264 with B-frames in AVI, which stores no times of showing: frames came one or two early."""
    h264 = ("libx264", "yuv420p")
    write_video(tmp_path / "a.avi", 40, codec=h264)
    with pytest.raises(InputError, match=r"a.avi' .*stored, not shown; write it anew, e.g. as MP4"):
        nl.load_stimuli(tmp_path / "a.avi")
    write_video(tmp_path / "a.mkv", 40, codec=h264)
    assert read_video(tmp_path / "a.mkv").n_frames == 40
