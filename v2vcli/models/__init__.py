"""The networks, and only the networks: painters, discriminators, segmenter, checkpoints and where they come from."""
