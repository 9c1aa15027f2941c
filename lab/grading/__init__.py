"""Grades a class: reads the progress files that learners hand in, checks them, and makes a table of them."""
