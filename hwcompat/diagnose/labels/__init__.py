"""One kind of annotations a file: its readers give Rows and the Faults of single lines."""
