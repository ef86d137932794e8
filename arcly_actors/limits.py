"""Every bound on what a peer or a stream may cost us, each with its reason."""

# A 4K intra picture at 100 Mb/s and 10 fps is 1.25 MB; 8 MiB leaves room for lossless contribution.
FRAME_BYTES = 8 * 1024 * 1024

# H.264 level 6.2 allows 600 slices in a picture at its largest; parameter sets, SEI and a second field are on top.
NAL_UNITS = 1500

# An AV1 temporal unit holds at most 8 spatial layers of up to 512 tile groups; real ones hold fewer than 20 OBUs.
OBUS = 1024

# SEI messages are small; a unit with more than this is made to cost time.
SEI_MESSAGES = 64

# avcC, hvcC, OpusHead, … A hvcC with many parameter sets stays below 4 kB; FLAC and metadata blocks are cut off.
CONFIGURATION_BYTES = 64 * 1024

# No decoder reached by our protocols takes more; beyond it is a damaged header.
PICTURE_SIDE = 16384
