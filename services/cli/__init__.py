"""The commands of `clarion`, by what they are about."""
