"""Writing the whole site anew, or comparing it with the store."""
