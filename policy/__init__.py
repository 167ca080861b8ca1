"""Rules that what a stack declares is judged by, and IAM's evaluation of policies. Imports nothing of the project."""
