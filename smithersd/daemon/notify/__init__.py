"""Notifications: the operator's hooks, and reports of pending approvals."""
