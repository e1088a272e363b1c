"""What the product promises, asked of the installed commands with real processes, real files and real sockets."""
