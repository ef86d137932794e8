"""Renditions: the same stream made fit for a class of outputs, once for all of its viewers."""

from arcly_actors.renditions.shelf import RenditionReport, Renditions
from arcly_actors.renditions.wishes import BFrames, RenditionPolicy, Sound, Wish

__all__ = ["BFrames", "RenditionPolicy", "RenditionReport", "Renditions", "Sound", "Wish"]
