"""The rules for cells and rows, one family a file, found by listing this folder."""
