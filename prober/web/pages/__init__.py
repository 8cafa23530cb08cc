"""The pages for people: pure functions from documents and journal entries to HTML that needs no script."""
