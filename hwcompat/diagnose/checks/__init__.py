"""One check of settings a file: `check(config, facts)` gives Clues. A new check is a new file; nothing else changes."""
