"""What every HTTP service does alike: serving, errors, authentication and health."""
