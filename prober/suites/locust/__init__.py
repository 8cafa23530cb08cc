"""Load from more than one machine: a locustfile that sends our messages, and what it hands back."""
