"""Text in any language: markup that is safe to show, and plain text."""
