"""The C programs of `native/`, compiled when first needed; without a compiler there are none, and callers do without."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent / "native"
_BUILT = Path(".cache/bench")


def native(name: str, *libraries: str) -> Path | None:
    """The program compiled from `native/<name>.c`; None without a C compiler, or without the headers of a library."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source = _SOURCES / f"{name}.c"
    text = b"".join(path.read_bytes() for path in (source, *sorted(_SOURCES.glob("*.h"))))
    program = (_BUILT / f"{name}-{hashlib.sha256(text).hexdigest()[:12]}").absolute()
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        half = program.with_suffix(f".{os.getpid()}")  # tests in parallel may compile at once
        links = [f"-l{library}" for library in libraries]
        command: list[str | Path] = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", half, source, *links]
        if subprocess.run(command, check=not libraries).returncode:
            return None
        half.rename(program)
    return program
