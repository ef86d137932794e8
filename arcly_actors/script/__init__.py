"""Message scripts: sessions recorded from an engine and replayed in virtual time; specs/scripts/FORMAT.md."""

from arcly_actors.script.read import read, read_file
from arcly_actors.script.record import Head, Record, Script, ScriptError
from arcly_actors.script.write import write, write_file

__all__ = ["Head", "Record", "Script", "ScriptError", "read", "read_file", "write", "write_file"]
