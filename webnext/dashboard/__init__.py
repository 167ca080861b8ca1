"""The dashboard: one page, its style and its script, without a build step."""
