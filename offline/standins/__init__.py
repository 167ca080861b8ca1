"""Stand-in provider plugins: Pulumi's provider protocol against this machine's emulator, Docker and Postgres.

They take the official plugins' place where those cannot be downloaded, refuse every endpoint that isn't this
machine's, and know only the types in their tables.
"""
