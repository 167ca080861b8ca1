"""The AWS emulator (MiniStack), narrowed to one clone, and its real Postgres and Redis."""
