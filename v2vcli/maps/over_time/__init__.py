"""What makes maps of a video agree from frame to frame: flow, smoothed labels, instances that keep their ids."""
