"""A whole stack of its own: real servers, the reference target and the daemon on them."""
