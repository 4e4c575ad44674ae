"""Run `clarion dev` and kill it, with its store, at the moment a named function of the item's journey is entered."""

import os
import signal
import sys
import types
from pathlib import Path

from services import dev


class _Trap:
    """Kills the process when the function is entered for the n-th time after it was armed by the function before it."""

    def __init__(self, qualified_name: str) -> None:
        module, _, name = qualified_name.partition(":")
        self._file = module.replace(".", "/") + ".py"
        self._name = name

    def __call__(self, frame: types.FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code.co_qualname != self._name:
            return
        if frame.f_code.co_filename.endswith(self._file):
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Take the data folder, the port, the site file and the function to die at, or `-` to stay alive."""
    data, port, site, step = sys.argv[1:]
    if step != "-":
        sys.setprofile(_Trap(step))
    sys.exit(dev.run(dev.DevOptions("127.0.0.1", int(port), Path(data), Path(site), empty=True)))


if __name__ == "__main__":
    main()
