"""The whole cutover on this machine, on a stage of its own: `python -m rehearsal`, which is `make rehearse`."""
