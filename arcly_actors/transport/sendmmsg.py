"""The system calls that send and receive many datagrams at once, as C declares them (Linux): Python has none, cffi does.

pyOpenSSL and pylibsrtp bring cffi along.
"""

import struct
from typing import Final

import cffi  # type: ignore[import-untyped]  # has no types

UDP_SEGMENT: Final = 103
"""The control message with the size of the segments to cut a send into (linux/udp.h)."""

SEGMENT: Final = struct.Struct("@QiiH6x")
"""That control message: its length, level, kind and the size in bytes."""

ffi = cffi.FFI()
ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen; int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
    """
)
