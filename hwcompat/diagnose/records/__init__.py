"""One kind of training record a file; a new kind is a new file."""
