"""The four processes that an image of web-next runs: a module each, whose `run` returns the exit code."""
