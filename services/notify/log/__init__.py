"""The public log of announced events."""
