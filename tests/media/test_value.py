"""Frozen dataclasses that are made quickly are what they were: frozen, equal by value, replaceable, copyable."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from arcly_actors.media.value import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True)
class Point:
    """A value."""

    x: int
    y: int
    name: str = "here"


def test_fields_are_taken_by_position_and_by_name_with_their_defaults() -> None:
    assert Point(1, y=2) == Point(1, 2, "here")
    assert Point(1, 2, name="there") != Point(1, 2)
    assert repr(Point(1, 2)) == "Point(x=1, y=2, name='here')"
    assert [each.name for each in fields(Point)] == ["x", "y", "name"]
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]  # that is the case under test


def test_nothing_of_it_can_be_changed() -> None:
    point = Point(1, 2)
    with pytest.raises(FrozenInstanceError):
        point.x = 3  # type: ignore[misc]  # that is the case under test
    with pytest.raises(FrozenInstanceError):
        del point.name
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        point.other = 3  # type: ignore[attr-defined]  # that is the case under test
    assert type(point) is Point
    assert point == Point(1, 2)
    assert hash(point) == hash(Point(1, 2))


def test_it_can_be_replaced_copied_and_pickled() -> None:
    point = Point(1, 2)
    assert replace(point, y=5) == Point(1, 5)
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_what_is_not_so_simple_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Listed:
        items: list[int] = field(default_factory=list)

    with pytest.raises(TypeError, match="items"):
        quickly_made(Listed)
