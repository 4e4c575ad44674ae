"""The search index and what asks it."""
