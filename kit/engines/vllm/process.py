"""What vLLM's child processes import instead of the user's script.

vLLM warns of some things before it applies its log level. A handler that prints nothing keeps that off stderr.
A child ends with its parent, however the parent ended: it would keep the weights in memory for nobody.
"""

import logging
import os
import signal
import threading
import time

_LOOK_SECONDS = 0.5


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


logging.getLogger("vllm").addHandler(logging.NullHandler())
if __name__ == "__mp_main__":  # in a child; `multiprocessing` does not know its parent yet
    threading.Thread(target=_end_with, args=(os.getppid(),), name="ends-with-its-parent", daemon=True).start()
