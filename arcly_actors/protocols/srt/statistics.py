"""What a connection counts, by libsrt's names (``CBytePerfMon``), so that its documentation is this one's."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Statistics:
    """Totals since the connection began, and the last measured values. Bytes are payload."""

    msTimeStamp: int = 0  # noqa: N815 - libsrt's names, all of them
    pktSent: int = 0  # noqa: N815
    pktRecv: int = 0  # noqa: N815
    byteSent: int = 0  # noqa: N815
    byteRecv: int = 0  # noqa: N815
    pktSentUnique: int = 0  # noqa: N815
    pktRecvUnique: int = 0  # noqa: N815
    pktSndLoss: int = 0  # noqa: N815
    pktRcvLoss: int = 0  # noqa: N815
    pktRetrans: int = 0  # noqa: N815
    pktRcvRetrans: int = 0  # noqa: N815
    pktSndDrop: int = 0  # noqa: N815
    pktRcvDrop: int = 0  # noqa: N815
    pktRcvBelated: int = 0  # noqa: N815
    pktRcvUndecrypt: int = 0  # noqa: N815
    pktSentACK: int = 0  # noqa: N815
    pktRecvACK: int = 0  # noqa: N815
    pktSentNAK: int = 0  # noqa: N815
    pktRecvNAK: int = 0  # noqa: N815
    pktReorderDistance: int = 0  # noqa: N815
    pktFlightSize: int = 0  # noqa: N815
    pktFlowWindow: int = 0  # noqa: N815
    pktSndBuf: int = 0  # noqa: N815
    pktRcvBuf: int = 0  # noqa: N815
    msRTT: float = 0.0  # noqa: N815
    msRcvTsbPdDelay: int = 0  # noqa: N815
    msSndTsbPdDelay: int = 0  # noqa: N815
    mbpsSendRate: float = 0.0  # noqa: N815
    mbpsRecvRate: float = 0.0  # noqa: N815
    mbpsBandwidth: float = 0.0  # noqa: N815
    pktSndFilterExtra: int = 0  # noqa: N815
    pktRcvFilterExtra: int = 0  # noqa: N815
    pktRcvFilterSupply: int = 0  # noqa: N815
    pktRecvKM: int = 0  # noqa: N815 - ours: keys that the peer announced after the first
    pktMalformed: int = 0  # noqa: N815 - ours: what could not be read, or could not be meant

    def values(self) -> dict[str, int | float]:
        """By name."""
        return asdict(self)
