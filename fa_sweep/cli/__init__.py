"""The command line: from the words of a command to a finished sweep."""
