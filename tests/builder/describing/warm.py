"""A server of warm processes: each task is a fork in which scikit-learn and pandas are imported already.

The import takes seconds, the questions to a model milliseconds. Nothing is fitted or scored before a fork.
"""

import json
import os
import runpy
import socket
import sys
import traceback

import joblib  # noqa: F401
import modelcast_runtime.formats.native
import modelcast_runtime.payload  # noqa: F401
import pandas as pd  # noqa: F401
import sklearn.cluster
import sklearn.compose
import sklearn.ensemble
import sklearn.feature_extraction.text
import sklearn.impute
import sklearn.linear_model
import sklearn.model_selection
import sklearn.pipeline
import sklearn.preprocessing
import sklearn.svm  # noqa: F401


def main(path: str) -> None:
    """Answer one connection after the other until stdin closes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 2)
        child = os.fork()
        if child == 0:
            run(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        connection.close()


def run(task: dict, descriptors: list[int]) -> None:
    """Become the process that was asked for; never returns."""
    code = 1
    try:
        os.dup2(descriptors[0], 1)
        os.dup2(descriptors[1], 2)
        os.chdir(task["cwd"])
        os.environ.clear()
        os.environ.update(task["env"])
        sys.argv = task["argv"]
        sys.path[0] = os.path.dirname(task["argv"][0])
        runpy.run_path(task["argv"][0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


main(sys.argv[1])
