"""The ICE engine of `protocols.webrtc` for a port."""

from arcly_actors.protocols.webrtc import ice
from arcly_actors.transport.dtls_srtp import IceAgent, IceCredentials


class LiteIce:
    """Implements `Ice`."""

    def agent(self, local: IceCredentials, remote: IceCredentials, now: int) -> IceAgent:
        ours, theirs = ice.IceCredentials(local.ufrag, local.pwd), ice.IceCredentials(remote.ufrag, remote.pwd)
        return ice.IceLite(ours, theirs, now)

    def ufrag(self, datagram: bytes) -> str | None:
        return ice.ufrag_of(datagram)
