"""The tracker as Python sees it: requests over one pool of connections, events, bundles of code."""
