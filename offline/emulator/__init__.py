"""The local AWS emulator: MiniStack in a process of its own, narrowed to this clone and made to keep its data."""
