"""A load test of a served version, with its task's own prompts, by guidellm in its own process."""
