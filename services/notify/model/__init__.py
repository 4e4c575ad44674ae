"""Values and rules that the rest of notify shares."""
