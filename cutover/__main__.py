import signal
import sys
import threading
import warnings
from typing import Any

from cutover.commands.app import main


def interrupted(*signalled: Any) -> None:
    """Ends as Ctrl-C does, without what Pulumi's threads say of the pipes that are closed below them."""
    threading.excepthook = lambda _: None
    warnings.simplefilter("ignore")
    signal.default_int_handler(*signalled)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is not signal.SIG_IGN:  # a shell may have it ignored, and so has nohup
        signal.signal(number, interrupted)

# Progress is read as it happens, through a pipe too, and in the order of what is said on standard error.
sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
sys.exit(main())
