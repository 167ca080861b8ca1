"""The docker runtime: the service's processes and the edge as containers on this clone's network."""
