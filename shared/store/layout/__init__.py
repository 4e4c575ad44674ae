"""The layout of the store: its number, and the way from one to the next."""
