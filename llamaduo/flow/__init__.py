"""How many calls go out to a service, and when."""
