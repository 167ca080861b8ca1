"""What prod costs a month, and what carries how many users: rendered into docs/cost.md."""
