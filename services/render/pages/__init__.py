"""What stands on each page, and writing it."""
