import sys

from cutover.commands.app import main

# Progress is read as it happens, through a pipe too, and in the order of what is said on standard error.
sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
sys.exit(main())
