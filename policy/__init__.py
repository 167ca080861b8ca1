"""What AWS would say to the policies that a stack declares. Imports nothing of the project."""
