"""A hand-made RTMP client: says single messages to a served engine and reads the answers."""

from collections.abc import Sequence

from arcly_actors.protocols.rtmp.amf0 import Value
from arcly_actors.protocols.rtmp.chunk import encode
from arcly_actors.protocols.rtmp.chunk_reader import ChunkReader
from arcly_actors.protocols.rtmp.commands import Command, command_message, read_command
from arcly_actors.protocols.rtmp.handshake import ClientHandshake
from arcly_actors.protocols.rtmp.limits import RtmpLimits
from arcly_actors.protocols.rtmp.message import Message, MessageType
from arcly_actors.protocols.rtmp.server import RtmpServer
from tests.support.rtmp import Served, Session, agree


class Peer:
    """A hand-made client: says messages, reads the server's answers."""

    def __init__(self, session: Session = agree, limits: RtmpLimits | None = None) -> None:
        self.served = Served(RtmpServer(b"seed", limits), session)
        self.reader = ChunkReader(RtmpLimits(), 2**23)
        hello = ClientHandshake(b"peer", digest=False)
        self.served.receive(hello.start())
        self.served.receive(hello.receive(bytes(self.served.sent)))
        self.served.sent.clear()
        self.transaction = 0

    def say(self, *messages: Message) -> list[Message]:
        """Send messages; what the server sends back."""
        self.served.receive(b"".join(encode(message, 128) for message in messages))
        return self.answers()

    def answers(self) -> list[Message]:
        """What the server has sent since."""
        self.reader.feed(bytes(self.served.sent))
        self.served.sent.clear()
        messages = []
        while (message := self.reader.next_message()) is not None:
            messages.append(message)
        return messages

    def call(self, name: str, *arguments: Value, stream_id: int = 0) -> list[Command]:
        """Call with the next transaction; the commands that come back."""
        self.transaction += 1
        return commands(self.say(command_message(stream_id, name, self.transaction, *arguments)))

    def connect(self, **properties: Value) -> list[Command]:
        """Connect to the application `live` unless `properties` name another."""
        return self.call("connect", {"app": "live", "tcUrl": "rtmp://h/live", **properties})

    def publish(self, name: str = "cam") -> list[Command]:
        """Connect, create a stream and publish."""
        self.connect()
        self.call("createStream", None)
        return self.call("publish", None, name, "live", stream_id=1)

    def play(self, name: str = "cam") -> list[Command]:
        """Connect, create a stream and play."""
        self.connect()
        self.call("createStream", None)
        return self.call("play", None, name, stream_id=1)


def commands(messages: Sequence[Message]) -> list[Command]:
    return [read_command(message) for message in messages if message.type == MessageType.COMMAND]


def codes(answers: Sequence[Command]) -> list[str]:
    found = []
    for answer in answers:
        information = answer.argument(1)
        found.append(str(information["code"]) if isinstance(information, dict) else answer.name)
    return found


def silent(_event: object) -> None:
    """A session that does not answer."""
