"""Imported first by the program: what the SDK does for long-running programs costs a preview a fifth of its time.

A program frees nothing worth collecting, and for each resource the SDK sends the engine four debug messages and
waits for every one (bench/preview_100.py: ratio 2.47 with them, 2.19 without). WEB_NEXT_DEBUG=1 lets them through
for `pulumi up --debug`.
"""

import gc
import os

gc.disable()

import pulumi

if os.environ.get("WEB_NEXT_DEBUG") != "1":
    pulumi.log.debug = lambda *_arguments, **_options: None
