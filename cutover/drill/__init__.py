"""The restore drill: a backup of the audit database becomes a second server, which must have what the first had."""
