"""What comes before every stack on AWS; Pulumi runs `__main__.py`."""
