"""Long runs that prove what prober promises; each writes a page of docs/ and has a short form in `make test`."""
