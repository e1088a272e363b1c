"""The scoring service: everything that ends in a running service, and nothing else.

`contract` says what a bundle is, `bundle` opens one, `app.create_app` serves it. Never imports the builder.
"""

__version__ = "0.1.0"
