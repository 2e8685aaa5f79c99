"""The services as their manager runs them: a Docker Swarm."""
