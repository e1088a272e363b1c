"""The program that every process with code of a repository's is started by; it runs alone, on the standard library."""
