"""What the generator is told to paint: label, edge and RGB maps, extractors that make them, files that hold them.

Nothing is imported here: `maps.schema` and `maps.spec` must stay light enough for `v2v --help`.
"""
