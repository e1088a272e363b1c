"""What the Makefile calls, and what writes the generated parts of the documentation."""
