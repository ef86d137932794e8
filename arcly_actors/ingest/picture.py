"""The pictures and the sound of the test pattern: drawn with numpy, so that nothing but PyAV is needed to encode them."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

BARS = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
)
"""The seven 75 % colour bars of SMPTE EG 1, from left to right, in RGB."""

_FONT = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 1, 1, 1), "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7),
    ":": (0, 2, 0, 2, 0), ".": (0, 0, 0, 0, 2),
}  # fmt: skip
"""A 3 × 5 font: each row's bits, from top to bottom."""


def background(width: int, height: int) -> Picture:
    """The bars, with room for the clock and the moving block below."""
    picture = np.zeros((height, width, 3), np.uint8)
    edges = np.linspace(0, width, len(BARS) + 1).astype(int)
    for left, right, colour in zip(edges, edges[1:], BARS, strict=False):
        picture[: height * 2 // 3, left:right] = colour
    picture[height * 2 // 3 :] = (24, 24, 32)
    return picture


def draw(base: Picture, index: int, frame_rate: int) -> Picture:
    """Frame number `index`: the background, the time since the start, and a block that crosses once in two seconds."""
    picture = base.copy()
    height, width, _ = picture.shape
    block = max(4, width // 24)
    top = height * 5 // 6
    left = (index % (2 * frame_rate)) * (width - block) // (2 * frame_rate)
    picture[top : top + block, left : left + block] = (255, 255, 255)
    seconds, frame = divmod(index, frame_rate)
    text = f"{seconds // 60:02d}:{seconds % 60:02d}.{frame:02d}"
    scale = max(1, height // 60)
    _write(picture, text, left=width // 2 - len(text) * 2 * scale, top=height * 2 // 3 + 2 * scale, scale=scale)
    return picture


def tone(first: int, count: int, sample_rate: int) -> NDArray[np.float32]:
    """`count` samples from number `first` on: a quiet 440 Hz tone, louder for a tenth of a second each second."""
    at = np.arange(first, first + count)
    loud = np.where(at % sample_rate < sample_rate // 10, 0.25, 0.02)
    return (loud * np.sin(2 * np.pi * 440 * at / sample_rate)).astype(np.float32)


def _write(picture: Picture, text: str, *, left: int, top: int, scale: int) -> None:
    for column, character in enumerate(text):
        for y, row in enumerate(_FONT[character]):
            for x in range(3):
                if row >> (2 - x) & 1:
                    at_x, at_y = left + (4 * column + x) * scale, top + y * scale
                    picture[at_y : at_y + scale, at_x : at_x + scale] = (230, 230, 230)
