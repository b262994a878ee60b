"""Tests of reading and writing video, on files made by the tests themselves."""
