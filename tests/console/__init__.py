"""Tests of `arcly_actors.console`."""
