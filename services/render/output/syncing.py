"""Have what was written surely on the disk, where no crash of the machine takes it back."""

import ctypes
import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Return once everything of the folder's file system is on the disk. Raises OSError where it cannot be."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if library.syncfs(handle):
            raise OSError(ctypes.get_errno(), f"{folder} cannot be synced")
    finally:
        os.close(handle)
