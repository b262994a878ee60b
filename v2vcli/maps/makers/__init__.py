"""Makers of maps from frames: ours, torchvision's, transformers', face-alignment's; and where their weights lie."""
