"""Command and data messages (RTMP 1.0, section 7.1.1, 7.1.2 and 7.2) as values."""

from collections.abc import Mapping
from dataclasses import dataclass

from arcly_actors.errors import Malformed
from arcly_actors.protocols.rtmp import amf0, amf3
from arcly_actors.protocols.rtmp.amf0 import EcmaArray, Value
from arcly_actors.protocols.rtmp.message import Message, MessageType

_SET_DATA_FRAME = amf0.encode("@setDataFrame")


@dataclass(frozen=True, slots=True)
class Command:
    """A remote call: its name, the transaction that an answer repeats (0: none wanted), and its arguments.

    The first argument is the command object, null for all but connect.
    """

    name: str
    transaction: float
    arguments: tuple[Value, ...]

    def argument(self, index: int) -> Value:
        """The argument at `index`; None when the peer left it out."""
        return self.arguments[index] if index < len(self.arguments) else None

    def text(self, index: int) -> str:
        """The argument at `index` when it is a string, or else an empty one."""
        value = self.argument(index)
        return value if isinstance(value, str) else ""


def read_command(message: Message) -> Command:
    """The call in a command message of either encoding; Malformed when it has no name."""
    values = _read_values(message) if message.body else []
    name = values[0] if values else None
    if not isinstance(name, str):
        raise Malformed("a command message that does not begin with the command's name")
    transaction = values[1] if len(values) > 1 else None
    number = float(transaction) if isinstance(transaction, int | float) else 0.0
    return Command(name, number, tuple(values[2:]))


def _read_values(message: Message) -> list[Value]:
    body = message.body
    if message.type != MessageType.COMMAND_AMF3:
        return amf0.decode(body)
    start = 1 if body[0] == 0 else 0  # the format selector; what follows is AMF0 that may switch to AMF3
    if body[start : start + 1] == b"\x06":
        return amf3.decode(body, start)
    return amf0.decode(body, start)


def command_message(stream_id: int, name: str, transaction: float, *arguments: Value) -> Message:
    """A call as a message; always AMF0, which every peer reads."""
    return Message(MessageType.COMMAND, stream_id, 0, amf0.encode(name, transaction, *arguments))


def data_message(stream_id: int, timestamp_ms: int, *values: Value) -> Message:
    """A data message, such as ``"onMetaData", EcmaArray(...)``."""
    return Message(MessageType.DATA, stream_id, timestamp_ms, amf0.encode(*values))


def metadata_body(values: Mapping[str, Value]) -> bytes:
    """The body of a data message (or FLV script tag) that tells viewers `values` as onMetaData."""
    return amf0.encode("onMetaData", EcmaArray(values))


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A data message: its name, its body as viewers get it (without ``@setDataFrame``), the values of metadata."""

    name: str
    body: bytes
    metadata: dict[str, Value] | None


def read_data(message: Message, max_parsed: int) -> DataFrame:
    """What a data message says; metadata longer than `max_parsed` stays unread. Malformed when it has no name."""
    body = message.body
    if message.type == MessageType.DATA_AMF3 and body[:1] == b"\x00":
        body = body[1:]
    body = body.removeprefix(_SET_DATA_FRAME)
    name, position = amf0.read_value(body, 0)
    if not isinstance(name, str):
        raise Malformed("a data message that does not begin with its name")
    if name != "onMetaData" or len(body) > max_parsed:
        return DataFrame(name, body, None)
    values = next((value for value in amf0.decode(body, position) if isinstance(value, dict)), {})
    return DataFrame(name, body, dict(values))
