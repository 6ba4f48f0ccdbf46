"""One command a file; the click command in `<name>.py` is called `<name>`. A new command is a new file here."""
