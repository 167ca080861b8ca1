"""The console's name: what it leads to, and moving it to the balancer and back."""
