import os
import subprocess
import sys

import pytest

from bench.proc import cpu_seconds, parse_rss, parse_stat, resident_bytes


def test_stat_survives_a_name_with_brackets_and_spaces() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    line = f"42 (a) R (b c) S 7 42 42 0 -1 4194560 1 0 0 0 {3 * ticks} {2 * ticks} 9 9 20 0 1 0 5 6 7"
    assert parse_stat(line) == (7, 5.0)


def test_rss_is_in_kilobytes() -> None:
    assert parse_rss("00400000-7fff ---p 0 00:00 0 [rollup]\nRss:                12 kB\nPss: 3 kB\n") == 12 * 1024


def test_a_rollup_without_rss_is_refused() -> None:
    with pytest.raises(ValueError, match="Rss"):
        parse_rss("Pss: 3 kB\n")


def test_children_count() -> None:
    alone = resident_bytes(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert resident_bytes(os.getpid()) > alone + 1_000_000
        assert cpu_seconds(os.getpid()) >= cpu_seconds(child.pid) >= 0
        child.communicate(b"\n")
