"""What the stacks declare: one module a noun, composed by `__main__.py`."""
