"""What every HTTP service does alike: serving, errors, authentication, health and concerns. See README.md."""
