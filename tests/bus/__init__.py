"""Tests of arcly_actors.bus."""
