"""The volume that the site is written to, and when it is known to be on disk."""
