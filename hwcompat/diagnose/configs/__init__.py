"""One client a file: CLIENT, TELLING keys, HINTS in comments, OFF, sections(values) and meaning(values)."""
