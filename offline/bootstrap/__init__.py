"""Brings a machine from bare to ready, one step at a time, with Python's standard library alone."""
