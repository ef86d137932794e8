"""`arcly schema`: the JSON Schema of topology files, for editors."""

import json

import typer

from arcly_actors.topology import json_schema


def schema() -> None:
    """Print the JSON Schema of topology files."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
