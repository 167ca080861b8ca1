"""What a run of the smoke suite leaves for people: a pack that anybody can verify, and who has signed it."""
