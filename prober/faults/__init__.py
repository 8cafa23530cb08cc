"""What breaks things on purpose: fault drivers, and the conditions that they put a service under."""
