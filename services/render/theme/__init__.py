"""How pages look: templates, static files and the values that templates are given."""
