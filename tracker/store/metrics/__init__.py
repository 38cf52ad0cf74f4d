"""Metrics: columns of points, packed, compacted, thinned for a chart."""
