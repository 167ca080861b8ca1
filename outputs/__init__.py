"""What a stack puts out: infra writes it, cutover and candidates read it. A module a noun; it imports neither."""
