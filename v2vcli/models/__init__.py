"""The networks, and only the networks: painters, discriminators, segmenter, their checkpoints and where those come from."""
