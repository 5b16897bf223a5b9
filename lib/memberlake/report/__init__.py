"""The health report: pages that open in a browser, from gold tables, without a server and without a network."""
