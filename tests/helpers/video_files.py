"""Videos whose frames are told apart by their gray level, written by PyAV."""

import struct
from fractions import Fraction

import numpy as np

SIZE = (32, 48)
STEP = 10
CODECS = {
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mpeg4", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "webm": ("libvpx", "yuv420p"),
}


def make_frame(number, size=SIZE):
    """Return a frame of one gray level, with a corner that is darker or brighter."""
    frame = np.full((*size, 3), 20 + STEP * (number % 20), np.uint8)
    frame[: size[0] // 2, : size[1] // 2] = 20 if number % 20 > 9 else 230
    return frame


def read_number(frame):
    """Return the number of a decoded frame, from what is opposite of its corner."""
    return int(np.rint((np.asarray(frame, float)[-8:, -8:].mean() - 20) / STEP))


def write_video(path, n_frames=20, rate=10, times=None, codec=None, **settings):
    """Write frames at a rate, or at times in milliseconds; B-frames where a codec has them."""
    import av

    name, pixels = CODECS[path.suffix[1:]] if codec is None else codec
    options = {"g": "7"}
    if name == "libx264":  # which has no B-frames where every frame is another scene
        options |= {"bf": "2", "b_strategy": "0", "sc_threshold": "0"}
    container_options = settings.pop("container", {})
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(name, rate=rate, options=options)
        stream.height, stream.width = SIZE
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(n_frames):
            frame = av.VideoFrame.from_ndarray(make_frame(i), "rgb24")
            frame.pts = i if times is None else times[i]
            frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_video(path, matrix):
    """Write another display matrix (a, b, c, d) into an MP4: x' = a x + c y, y' = b x + d y."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4
    assert content[place] == 0, "the sizes of version 0"
    start = place + 40
    a, b, c, d = (int(value * 65536) for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
