"""Amounts as a person reads them."""


def megabytes(count: int) -> str:
    """Bytes as ``640 B``, ``12.3 kB`` or ``4.5 MB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
