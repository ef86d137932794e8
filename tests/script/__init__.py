"""Tests of message scripts."""
