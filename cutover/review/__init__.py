"""What a change does to a stack, said so that a person can judge it in a pull request."""
