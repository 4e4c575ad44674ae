"""The ways in which a delivery reaches a subscriber, one module each."""
