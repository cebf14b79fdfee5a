"""Lambda functions, as anyone would write them. The demo runs them in containers of its fleet.

This folder is their ``LAMBDA_TASK_ROOT``: they import each other by their plain names.
"""
