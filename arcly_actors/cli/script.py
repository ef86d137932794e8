"""`arcly script`: record a session of a running server, replay it, look at it, edit it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from arcly_actors.cli.amount import megabytes
from arcly_actors.cli.exits import Exit
from arcly_actors.cli.terminal import errors, output

if TYPE_CHECKING:
    from arcly_actors.script.record import Script
    from arcly_actors.script.replay import Replayed

script = typer.Typer(
    help="Message scripts: record a session of a running server, replay it in virtual time, look at it, edit it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(help="The script.", show_default=False)]
Out = Annotated[Path, typer.Option("--output", "-o", help="Where to write it.", show_default=False)]


@script.command()
def record(
    key: Annotated[str, typer.Argument(help="The stream, as live/cam; '*' for everything.", show_default=False)],
    out: Out,
    url: Annotated[str, typer.Option(help="The server's HTTP address.")] = "http://127.0.0.1:8080",
    length: Annotated[str, typer.Option("--for", help="How long, as 30s; else until Ctrl-C.")] = "",
    payload: Annotated[bool, typer.Option(help="Keep what goes out and frames, not only their digests.")] = True,
) -> None:
    """Record a stream, or everything, from a server on this machine.

    Exits with 1 when the server cannot be reached or does not let itself be recorded.
    """
    from arcly_actors.cli.recording import record_from  # noqa: PLC0415 - takes a while: not for `--version`

    if not length:
        errors().print(Text(f"recording {'everything' if key == '*' else key} to {out}; Ctrl-C ends it", style="dim"))
    size, why = record_from(url, "" if key == "*" else key, out, length, payload=payload)
    if why:
        raise _failed(why)
    output().print(Text(f"{out}: {megabytes(size)}; `arcly script replay {out}` replays it"))


@script.command()
def replay(
    file: File,
    speed: Annotated[
        str, typer.Option(help="virtual: as fast as it goes; real: at its own pace, with --to.")
    ] = "virtual",
    to: Annotated[str, typer.Option(help="Push what its publisher sent to this URL (rtmp, rtsp, srt, whip:…).")] = "",
    key: Annotated[str, typer.Option(help="Which of its streams to push.")] = "",
    settle: Annotated[
        Path | None, typer.Option(help="Write the script with what the replay made of it: compared exactly from now on.")
    ] = None,
) -> None:
    """Replay a script in virtual time, compare, and check what it expects.

    Exits with 1 and the first difference when it goes another way, or with the expectations that were not met.
    """
    from arcly_actors.errors import ConfigurationError  # noqa: PLC0415
    from arcly_actors.script import read_file, write_file  # noqa: PLC0415 - takes a while: not for `--version`
    from arcly_actors.script.check import check  # noqa: PLC0415

    if speed not in ("virtual", "real") or (speed == "real") != bool(to):
        raise ConfigurationError("--speed is virtual, or real with --to URL")
    read = read_file(file)
    if to:
        _resend(read, to, key)
        return
    replayed, failures = check(read)
    console = output()
    if read.cut:
        errors().print(Text(_CUT, style="yellow"))
    if settle is not None:
        with _writing(settle):
            write_file(replayed.settled(), settle)
        console.print(Text(f"{settle}: settled", style="green"))
    elif replayed.divergence is not None:
        for line in replayed.divergence.lines():
            console.print(Text(line, style=_STYLES.get(line[:4].strip(), "")))
        raise typer.Exit(Exit.FAILED)
    for failure in failures:
        console.print(Text(failure, style="red"))
    if failures:
        raise typer.Exit(Exit.FAILED)
    console.print(Text(_summary(file, replayed), style="green"))


@script.command()
def show(
    file: File,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write one HTML page instead.")] = None,
) -> None:
    """Draw a script as a sequence diagram: actors as columns, time downwards."""
    from arcly_actors.script import read_file  # noqa: PLC0415 - takes a while: not for `--version`
    from arcly_actors.script.replay import replay as run  # noqa: PLC0415
    from arcly_actors.script.show import facts, page, text  # noqa: PLC0415

    read = read_file(file)
    console = output()
    if read.records and all(record.comes_in for record in read.records):
        read = replace(read, records=run(read).records)  # written by hand: what comes of it is more to look at
    if as_html is not None:
        with _writing(as_html):
            as_html.write_text(page(read), encoding="utf-8")
        console.print(Text(f"{as_html}: written; open it in a browser"))
        return
    for name, value in facts(read):
        console.print(Text.assemble((f"{name:>13}  ", "dim"), value))
    for line in text(read):
        console.print(Text(line, style="bold yellow" if line.endswith("]") else ""))
    if read.cut:
        errors().print(Text(_CUT, style="yellow"))


@script.command()
def edit(
    file: File,
    out: Out,
    start: Annotated[str, typer.Option("--from", help="Cut away what is before, as 2s.")] = "",
    end: Annotated[str, typer.Option("--until", help="Cut away what is after.")] = "",
    loss: Annotated[
        str, typer.Option(help="Share of packets and frames that get lost, as 3%; on TCP they are late.")
    ] = "",
    jitter: Annotated[str, typer.Option(help="By how much what comes in is late at most, as 40ms.")] = "",
    crash: Annotated[list[str] | None, typer.Option(help="An actor's failure, as publisher@2.5s.")] = None,
    disconnect: Annotated[list[str] | None, typer.Option(help="A connection breaks, as 4s or rtmp-2@4s.")] = None,
    stall: Annotated[list[str] | None, typer.Option(help="Nothing comes, as live/cam@2s+5s.")] = None,
    refuse: Annotated[list[str] | None, typer.Option(help="What is dialled is refused, as pull@2s+5s.")] = None,
    clock_jump: Annotated[str, typer.Option(help="The wall clock is set forward, as +1h or +1h@2s.")] = "",
    seed: Annotated[int, typer.Option(help="Of the chance in faults.")] = 0,
    redact: Annotated[bool, typer.Option("--redact", help="Leave payloads and entropy out: to be shown only.")] = False,
    side: Annotated[bool, typer.Option("--side", help="Payloads go to a file beside it.")] = False,
) -> None:
    """Cut a script, apply faults, redact it. A script with faults says what a replay made of it."""
    from arcly_actors.errors import ConfigurationError  # noqa: PLC0415
    from arcly_actors.script import edit as editing  # noqa: PLC0415 - takes a while: not for `--version`
    from arcly_actors.script import read_file, write_file  # noqa: PLC0415
    from arcly_actors.script.replay import replay as run  # noqa: PLC0415
    from arcly_actors.topology.values import duration  # noqa: PLC0415

    if not any((start, end, loss, jitter, crash, disconnect, stall, refuse, clock_jump, redact, side)):
        raise ConfigurationError("nothing to edit: say what, as --from 2s or --crash publisher@2.5s (--help has all)")
    edited = read_file(file)
    if start or end:
        edited = editing.cut(edited, duration(start) if start else 0, duration(end) if end else None)
    texts = [
        *([f"loss {loss}"] if loss else ()),
        *([f"jitter {jitter}"] if jitter else ()),
        *(f"crash {each}" for each in crash or ()),
        *(f"disconnect {each}" for each in disconnect or ()),
        *(f"stall {each}" for each in stall or ()),
        *(f"refuse {each}" for each in refuse or ()),
        *([f"clock-jump {clock_jump}"] if clock_jump else ()),
    ]
    if texts:
        faults = [editing.read_fault(each, edited.duration_ns) for each in texts]
        edited = run(editing.apply(edited, faults, seed)).settled()
    if redact:
        edited = editing.redact(edited)
    with _writing(out):
        write_file(edited, out, side=side)
    output().print(Text(f"{out}: {len(edited.records)} records, {edited.duration_ns / 1e9:.3f} s"))


_CUT = "the last line is incomplete, for its writer was ended, and was left out"
_STYLES = {"-": "red", "+": "green"}


def _summary(file: Path, replayed: "Replayed") -> str:
    said = [record for record in replayed.script.records if not record.comes_in]
    expected = sum(record.kind == "expect" for record in replayed.script.records)
    told = [f"the same, {len(said)} records"] if said else []
    told += [f"{expected} expectation{'s' * (expected != 1)} met"] if expected else []
    told = told or ["it says nothing of what has to come of it"]
    return f"{file}: {', '.join(told)}, in {replayed.script.duration_ns / 1e9:.3f} s of virtual time"


def _failed(why: str) -> typer.Exit:
    errors().print(Text(f"arcly: {why}", style="red"))
    return typer.Exit(Exit.FAILED)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A file that cannot be written is said so."""
    try:
        yield
    except OSError as error:
        raise _failed(f"{path}: {error.strerror or error}") from None


def _resend(read: "Script", to: str, key: str) -> None:
    from arcly_actors.errors import ArclyError, ConfigurationError  # noqa: PLC0415
    from arcly_actors.loop import run  # noqa: PLC0415
    from arcly_actors.script.resend import resend  # noqa: PLC0415 - takes a while: not for `--version`

    try:
        count = run(resend(read, to, key, lambda note: output().print(Text(note, style="yellow"))))
    except ConfigurationError:
        raise
    except ArclyError as error:
        errors().print(Text(f"arcly: {error}", style="red"))
        raise typer.Exit(Exit.FAILED) from None
    output().print(Text(f"{count} frames sent"))
