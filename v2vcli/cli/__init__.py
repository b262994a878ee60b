"""The command line: options -> one request -> one call, and nothing else.

No module here imports torch, av or cv2 at its top: `v2v --help` has to answer at once.
"""
