"""Tests of the HTTP/1.1 client, against servers that misbehave on real sockets."""
