"""Files of pictures of 16 bits, written by hand: Pillow writes no colours of 16 bits."""

import struct
import zlib

import numpy as np

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def write_chunk(kind, data):
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def write_png(values, bits=16, key=None):
    """Return a PNG of values (height, width, channel); ``key`` is the colour that is transparent.

    With 4 bits, ``values`` are the packed bytes of gray.
    """
    height, width, channels = values.shape
    kind = ">u2" if bits == 16 else "u1"
    rows = b"".join(b"\0" + row.astype(kind).tobytes() for row in values)
    shape = struct.pack(">II", width * (2 if bits == 4 else 1), height)
    header = shape + bytes([bits, _COLOR_TYPES[channels], 0, 0, 0])
    chunks = [write_chunk(b"IHDR", header)]
    if key is not None:
        chunks.append(write_chunk(b"tRNS", np.asarray(key, ">u2").tobytes()))
    chunks += [write_chunk(b"IDAT", zlib.compress(rows)), write_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write_tiff(values, order="<", photometric=None, extra=None, sample=1, bits=16):
    """Return a TIFF of values (height, width, channel), uncompressed; tags as its standard says."""
    height, width, channels = values.shape
    data = values.astype(f"{order}{'u' if sample == 1 else 'i'}{bits // 8}").tobytes()
    if photometric is None:
        photometric = 2 if channels > 2 else 1
    tags = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [1],
        262: [photometric],
        273: [8],
        277: [channels],
        278: [height],
        279: [len(data)],
        339: [sample] * channels,
    }
    if extra is not None:
        tags[338] = [extra]
    start = 8 + len(data)
    after = start + 2 + 12 * len(tags) + 4
    table = struct.pack(f"{order}H", len(tags))
    rest = b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        table += struct.pack(f"{order}HHI", tag, 4, len(numbers))
        if len(packed) > 4:
            table += struct.pack(f"{order}I", after + len(rest))
            rest += packed
        else:
            table += packed
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + data + table + bytes(4) + rest
