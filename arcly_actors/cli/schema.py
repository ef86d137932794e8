"""`arcly schema`: the JSON Schema of topology files, for editors."""

import json

import typer


def schema() -> None:
    """Print the JSON Schema of topology files."""
    from arcly_actors.topology import json_schema  # noqa: PLC0415 - takes a while, and `--version` needs none of it

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
