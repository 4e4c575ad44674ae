"""All of Clarion in one process over an embedded store."""
