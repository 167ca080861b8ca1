"""Stacks, driven through Pulumi."""
