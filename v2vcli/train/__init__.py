"""Training: recipe -> clips -> batches -> step -> checkpoint, resumable by typing the same command again."""
