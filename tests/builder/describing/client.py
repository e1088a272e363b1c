"""Stands for the model environment's python: hands its task to a warm process and ends as that one ended."""

import json
import os
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(f"{os.path.dirname(os.path.abspath(__file__))}/socket")
task = json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)})
socket.send_fds(connection, [task.encode()], [1, 2])
code = int(connection.recv(16))
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
