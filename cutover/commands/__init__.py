"""The commands, a file for each group of verbs; `app` is the command line."""
