"""Make the keys of an installation at its first start: `python -m services.cli.first_keys FOLDER`."""

import os
import secrets
import sys
from pathlib import Path

# The names under which `shared.runtime.settings` finds them in /run/secrets.
FIRST_KEYS = ("clarion_bootstrap_key", "clarion_secrets_key")


def make_first_keys(folder: Path) -> list[str]:
    """Make the keys that the folder lacks, readable for their owner only, and return their names."""
    return [name for name in FIRST_KEYS if _make(folder / name)]


def _make(file: Path) -> bool:
    if file.exists():
        return False
    # Whole or not there: a key cut short by a crash would stay for ever.
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    try:
        with os.fdopen(handle, "w") as made:
            made.write(secrets.token_urlsafe(32))
            made.flush()
            os.fsync(made.fileno())
        # A link, unlike a rename, refuses a name that someone else took meanwhile.
        os.link(beside, file)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def main() -> None:
    """Make the missing keys; print the names of the files, never the keys."""
    folder = Path(sys.argv[1])
    for name in make_first_keys(folder):
        sys.stderr.write(f"made {folder / name}\n")


if __name__ == "__main__":
    main()
