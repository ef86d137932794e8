"""What an operator sees: the console page, the player page and the REST API."""
