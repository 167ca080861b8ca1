"""What the first day of a stack on AWS needs, in the order in which it is done."""
