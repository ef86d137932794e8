"""`arcly script`: record a session of a running server, replay it, look at it, edit it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

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

    size, why = record_from(url, "" if key == "*" else key, out, length, payload=payload)
    if why:
        errors().print(Text(f"arcly: {why}", style="red"))
        raise typer.Exit(Exit.FAILED)
    output().print(Text(f"{out}: {size} bytes"))


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
    """Replay a script in virtual time and compare; exits with 1 and the first difference when it goes another way."""
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
    if settle is not None:
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
    from arcly_actors.script.show import page, text  # noqa: PLC0415

    read = read_file(file)
    console = output()
    if as_html is not None:
        as_html.write_text(page(read), encoding="utf-8")
        console.print(Text(f"{as_html}: written"))
        return
    for line in text(read):
        console.print(Text(line, style="bold yellow" if line.endswith("]") else ""))
    if read.cut:
        console.print(Text("the last line is incomplete and was left out", style="yellow"))


@script.command()
def edit(
    file: File,
    out: Out,
    start: Annotated[str, typer.Option("--from", help="Cut away what is before, as 2s.")] = "",
    end: Annotated[str, typer.Option("--until", help="Cut away what is after.")] = "",
    loss: Annotated[str, typer.Option(help="Share of datagrams, packets and frames that get lost, as 3%.")] = "",
    jitter: Annotated[str, typer.Option(help="By how much what comes in is late at most, as 40ms.")] = "",
    crash: Annotated[list[str] | None, typer.Option(help="An actor's failure, as publisher@2.5s.")] = None,
    disconnect: Annotated[list[str] | None, typer.Option(help="A connection breaks, as 4s or rtmp-2@4s.")] = None,
    clock_jump: Annotated[str, typer.Option(help="The wall clock is set forward, as +1h or +1h@2s.")] = "",
    seed: Annotated[int, typer.Option(help="Of the chance in faults.")] = 0,
    redact: Annotated[bool, typer.Option("--redact", help="Leave payloads and entropy out: to be shown only.")] = False,
    side: Annotated[bool, typer.Option("--side", help="Payloads go to a file beside it.")] = False,
) -> None:
    """Cut a script, apply faults, redact it. A script with faults says what a replay made of it."""
    from arcly_actors.script import edit as editing  # noqa: PLC0415 - takes a while: not for `--version`
    from arcly_actors.script import read_file, write_file  # noqa: PLC0415
    from arcly_actors.script.replay import replay as run  # noqa: PLC0415
    from arcly_actors.topology.values import duration  # noqa: PLC0415

    edited = read_file(file)
    if start or end:
        edited = editing.cut(edited, duration(start) if start else 0, duration(end) if end else None)
    texts = [
        *([f"loss {loss}"] if loss else ()),
        *([f"jitter {jitter}"] if jitter else ()),
        *(f"crash {each}" for each in crash or ()),
        *(f"disconnect {each}" for each in disconnect or ()),
        *([f"clock-jump {clock_jump}"] if clock_jump else ()),
    ]
    if texts:
        faults = [editing.read_fault(each, edited.duration_ns) for each in texts]
        edited = run(editing.apply(edited, faults, seed)).settled()
    if redact:
        edited = editing.redact(edited)
    write_file(edited, out, side=side)
    output().print(Text(f"{out}: {len(edited.records)} records"))


_STYLES = {"-": "red", "+": "green"}


def _summary(file: Path, replayed: "Replayed") -> str:
    count = sum(1 for record in replayed.records if not record.comes_in)
    return f"{file}: the same, {count} records in {replayed.script.duration_ns / 1e9:.3f} s of virtual time"


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
