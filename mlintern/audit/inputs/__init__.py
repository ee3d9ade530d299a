"""What an audit looks at, from files, arrays and datasets."""
