"""One command a file; the click command in `<name>.py` is called `<name>`. A new command is a new file here.

The subcommands of a group have a file each beside it: `matrix show` is `show` in `matrix_show.py`. A file whose name
begins with `_` is no command.
"""
