"""Maps that are drawn from keypoints: faces and people."""
