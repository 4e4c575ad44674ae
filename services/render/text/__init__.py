"""Languages, markup and word stems."""
