"""What publishing an item means: the rules, the write, embargoes, withdrawals and erasures."""
