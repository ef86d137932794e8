"""The `arcly` command: its options, and the table of its subcommands, each in a module of its own."""

from typing import Annotated

import typer

from arcly_actors.cli.check import check
from arcly_actors.cli.demo import demo
from arcly_actors.cli.run import run
from arcly_actors.cli.schema import schema
from arcly_actors.cli.script import script
from arcly_actors.cli.simulate import simulate
from arcly_actors.version import VERSION

app = typer.Typer(
    name="arcly",
    help="Live-media streaming: WebRTC, RTMP, cameras and files in; WebRTC, RTMP, HTTP-FLV and HLS out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"arcly {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live-media streaming: WebRTC, RTMP, cameras and files in; WebRTC, RTMP, HTTP-FLV and HLS out."""


app.command("run")(run)
app.command("demo")(demo)
app.command("check")(check)
app.command("schema")(schema)
app.command("simulate")(simulate)
app.add_typer(script, name="script")
