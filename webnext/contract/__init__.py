"""The API's data, as callers send and get it. Tolerant on the way in, one shape on the way out."""
