"""The box in which a researcher's kernel runs: no network, no keys, no data, one unix socket to the gate.

`bubblewrap` builds and starts boxes, `canary` proves one before any kernel is started, `provisioner` is what Jupyter
calls. Nothing here knows about queries or agreements.
"""
