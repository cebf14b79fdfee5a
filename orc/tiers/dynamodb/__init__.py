"""Rows in a DynamoDB table: ``tier`` decides, ``requests`` words it, ``transport`` sends it."""
