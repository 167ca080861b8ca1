"""The images of a stack on AWS: the repositories that they are in, and how one gets there."""
