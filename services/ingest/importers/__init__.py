"""Readers of what other systems export: each turns one kind of file into items that PUT takes."""
