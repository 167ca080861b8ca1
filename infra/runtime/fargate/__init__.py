"""The fargate runtime: the service's tasks on ECS, and the load balancer that splits traffic between two slots."""
