"""The operators' guide as data, each row with its section, and pure functions that judge figures by it."""
