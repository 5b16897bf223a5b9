"""Metrics of member operation, where marketing money goes, and alerts."""
