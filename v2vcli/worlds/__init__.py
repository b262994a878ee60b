"""Procedural worlds with exact labels, instances, depth, flow and landmarks: data for tests, benchmarks, demos, training."""
