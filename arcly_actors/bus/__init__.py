"""The bus: streams, their shared logs, and who may write to and read from them."""
