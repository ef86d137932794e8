"""Tests of arcly_actors.ingest."""
