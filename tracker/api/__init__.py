"""The edge, one blueprint a noun. Routes parse, call the store inside one transaction, and answer; rules live below."""
