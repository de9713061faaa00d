"""Networks written once per framework, side by side: the three files of a family read as one text in three dialects."""
