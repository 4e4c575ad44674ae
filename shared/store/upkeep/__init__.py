"""What keeps the store in order: the janitor, the watch of the clock, and archives."""
