"""Bounds of frames and bitstreams. Sizes are bytes, times nanoseconds."""

FRAME_BYTES = 8 * 1024 * 1024
"""One frame or tag: a 4K intra picture at 100 Mb/s and 10 fps is 1.25 MB; the rest is room for lossless contribution."""

CONFIGURATION_BYTES = 64 * 1024
"""avcC, hvcC, OpusHead…: real ones stay below 4 kB, and every viewer is sent one."""

NAL_UNITS = 1500
"""Of one access unit: H.264 level 6.2 allows 600 slices; parameter sets, SEI and a second field come on top."""

OBUS = 1024
"""Of one AV1 temporal unit: 8 spatial layers of 128 tile groups; encoders make fewer than 20."""

SEI_MESSAGES = 64
"""Of one SEI unit: encoders put fewer than ten into one."""

PICTURE_SIDE = 16384
"""Pixels: no decoder that our protocols reach takes more, so a greater size is a damaged header."""
