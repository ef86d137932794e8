"""Every bound on what a peer or a file can make us do or hold, each with its reason."""

# topology: a file is written by hand; these are far above any real one and keep reading it instant.
TOPOLOGY_BYTES = 1 << 20
TOPOLOGY_DEPTH = 16  # the schema is 4 deep
TOPOLOGY_NODES = 20_000  # counted after aliases are expanded, so that ten nested aliases cannot become a billion values
TOPOLOGY_FAULTS = 200  # more than a person mends at once

# logging: addresses with complaints of their own; further ones share one line per kind, as a flood has many addresses.
COMPLAINT_ADDRESSES = 1024
LOG_MESSAGE_CHARACTERS = 2_000  # one line of a log that quotes a peer
