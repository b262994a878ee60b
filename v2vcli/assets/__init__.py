"""Bundled weights, each with its model card; found by `v2vcli.models.catalog`."""
