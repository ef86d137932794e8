"""Bounds of MPEG-TS, both ways. Sizes are bytes, times nanoseconds."""

from arcly_actors.clock import NS_PER_MS, NS_PER_S

TS_PROGRAMS = 128
"""Programmes of one transport stream that are looked at: a satellite transponder has fewer than 40."""

TS_STREAMS = 256
"""Elementary streams put together at once, over all programmes: 20 programmes of 10."""

TS_PENDING = 32 * 1024 * 1024
"""Bytes of unfinished access units, over all elementary streams of one transport stream."""

TS_ORPHANS = 16
"""PIDs on which a PMT is looked for although no PAT names them."""

TS_UNITS = 512
"""Audio frames in one PES packet: a second of 2.5 ms Opus; muxers put ten into one."""

TS_REMAINDER = 64 * 1024
"""Bytes of an audio frame whose end comes in the next PES packet: more than any frame has."""

TS_PCR_JUMP = 10 * NS_PER_S
"""A PCR that is ahead by more than this, unannounced, is a clock that was set; less is what was lost on the way."""

TS_PCR_GAP = 100 * NS_PER_MS
"""The longest time that is taken to have gone by between the PCRs on both sides of a jump: the most that ISO/IEC
13818-1 §2.7.2 allows between two."""

TS_TABLES_EVERY = 100 * NS_PER_MS
"""The longest time between two PATs and PMTs that we send: a joiner waits for them. ETSI TR 101 290 §5.2.1 alarms at
500 ms."""

TS_PCR_EVERY = 40 * NS_PER_MS
"""The longest time between two PCRs that we send: ETSI TR 101 290 §5.2.2 alarms beyond it."""

TS_PCR_FILLED = 2 * NS_PER_S
"""The longest silence that is bridged with PCRs and tables before a frame: 50 packets, which come too late anyway."""

TS_LEAD = 500 * NS_PER_MS
"""How far the DTS of what we send is ahead of its PCR: as much as one track may come behind another. FFmpeg's muxer
has 700 ms; senders that put 200 ms of sound into one PES packet need half of it."""

TS_REANNOUNCE = 1 * NS_PER_S
"""Within this time the first frames of several tracks after a seam belong to the same one."""

TS_GATHERING = 1500 * NS_PER_MS
"""How long the first frames wait for the other tracks of the PMT: FFmpeg puts 2.9 kB of sound into one PES packet, which
is 0.7 s at 32 kb/s. A track that is told later makes HLS begin anew, and FLV players may never hear it."""

TS_PACING_STEP = 2 * NS_PER_MS
"""Between two parts of a frame that is spread: 3 datagrams at 16 Mb/s, and 20 steps in a PCR interval."""

TS_SILENCE = 5 * NS_PER_S
"""How long a feed may send nothing before it counts as gone: as long as a switch that re-routes multicast takes."""

TS_RETRY = 5 * NS_PER_S
"""Between two tries of a feed to get the slot of its key: it cannot be told that it was refused."""

TS_DAMAGE_REPORT = 1 * NS_PER_S
"""Between two events about packets that are missing: on a bad path there are hundreds a second."""
