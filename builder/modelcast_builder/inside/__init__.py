"""Code that runs in the model's environment: it imports the standard library, the contract and what the model needs.

Started as `PYTHON .../inside/__main__.py TASK ...`; there this package is called `modelcast_inside`.
"""
