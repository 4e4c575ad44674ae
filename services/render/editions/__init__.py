"""Editions of the site: proposed by the files of a render, tried, accepted or refused, and kept on the volume."""
