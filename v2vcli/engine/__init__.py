"""The main job: decode -> maps -> paint -> encode, overlapped, in constant memory.

Nothing is imported here, so that `engine.request`, all that a command line needs to start with, stays light.
"""
