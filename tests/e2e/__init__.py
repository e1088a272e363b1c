"""The whole road with the real parts: container engine, s2i, hardened containers."""
